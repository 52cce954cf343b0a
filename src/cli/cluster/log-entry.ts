/**
 * A line of etcd's JSON log as its parts, for people: when, how grave, what, and the fields. Text
 * from a log never reaches a terminal with control characters in it.
 */

export interface LogEntry {
  /** Milliseconds since the Unix epoch; undefined when the line does not tell. */
  readonly wallMs: number | undefined;
  /** In capitals. */
  readonly level: string;
  readonly message: string;
  /** "key=value", in the order of the line. */
  readonly fields: readonly string[];
}

/** Shown by themselves, or of no use beside the text. */
const OWN_PLACE: ReadonlySet<string> = new Set(["level", "ts", "caller", "msg"]);

/** Undefined for lines that are no JSON log line. */
export function parseLogLine(line: string): LogEntry | undefined {
  const record = parseRecord(line);
  if (typeof record?.["msg"] !== "string" || typeof record["level"] !== "string") return undefined;
  const time = typeof record["ts"] === "string" ? Date.parse(record["ts"]) : Number.NaN;
  const fields = Object.entries(record)
    .filter(([key]) => !OWN_PLACE.has(key))
    .map(([key, value]) => `${visible(key)}=${valueText(value)}`);
  return {
    wallMs: Number.isNaN(time) ? undefined : time,
    level: visible(record["level"].toUpperCase()),
    message: visible(record["msg"]),
    fields,
  };
}

function parseRecord(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith("{")) return undefined;
  // IDs of 64 bits do not fit a number; as text they keep all digits.
  const exact = line.replace(/([:[,]\s*)(-?\d{16,})(?=\s*[,}\]])/g, '$1"$2"');
  for (const text of new Set([exact, line])) {
    try {
      return JSON.parse(text) as Record<string, unknown>;
    } catch {
      // A long number inside of a text: the line itself is tried.
    }
  }
  return undefined;
}

function valueText(value: unknown): string {
  if (typeof value !== "string") return visible(JSON.stringify(value));
  return /^[^\s"=]+$/.test(value) ? visible(value) : visible(JSON.stringify(value));
}

/** Control and formatting characters as escapes. */
function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, (character) => {
    const code = (character.codePointAt(0) ?? 0).toString(16);
    return character.length > 1 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`;
  });
}
