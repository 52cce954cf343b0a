/**
 * Reads Prometheus' text format, as /metrics of any etcd shows it. Runs in the browser too. Lines
 * that are no samples are passed over: a page of another version must not break a whole view.
 */

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Samples by name; those of a histogram stand under its name with `_bucket`, `_sum`, `_count`. */
export type Exposition = ReadonlyMap<string, readonly Sample[]>;

const NAME = /^[a-zA-Z_:][\w:]*/;
const LABEL = /\s*([a-zA-Z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*,?/y;

export function parseExposition(text: string): Exposition {
  const found = new Map<string, Sample[]>();
  for (const line of text.split("\n")) {
    const name = NAME.exec(line)?.[0];
    if (name === undefined) continue;
    const sample = sampleOf(line, name.length);
    if (sample === undefined) continue;
    const peers = found.get(name);
    if (peers === undefined) found.set(name, [sample]);
    else peers.push(sample);
  }
  return found;
}

function sampleOf(line: string, from: number): Sample | undefined {
  const labels: Record<string, string> = {};
  let at = from;
  if (line[at] === "{") {
    at++;
    LABEL.lastIndex = at;
    for (let match = LABEL.exec(line); match !== null; match = LABEL.exec(line)) {
      const [, label = "", value = ""] = match;
      labels[label] = value.replace(/\\(.)/g, (_, char: string) => (char === "n" ? "\n" : char));
      at = LABEL.lastIndex;
    }
    if (line[at] !== "}") return undefined;
    at++;
  }
  const [shown = ""] = line.slice(at).trim().split(/\s+/);
  const value = numberOf(shown);
  return value === undefined ? undefined : { labels, value };
}

function numberOf(text: string): number | undefined {
  if (text === "+Inf" || text === "Inf") return Number.POSITIVE_INFINITY;
  if (text === "-Inf") return Number.NEGATIVE_INFINITY;
  if (text === "NaN") return Number.NaN;
  const value = Number(text);
  return text === "" || Number.isNaN(value) ? undefined : value;
}

/** The one value of a family without labels, or the first of several. */
export function firstValue(exposition: Exposition, name: string): number | undefined {
  return exposition.get(name)?.[0]?.value;
}
