/** Conditions of a transaction as they are typed: `mod("key") > "5"`. */
import { Compare, Compare_CompareResult, Compare_CompareTarget } from "../../api/gen/rpc.ts";
import { parseInt64 } from "../../base/go-number.ts";
import { quote, readGoString } from "../../base/go-quote.ts";
import { bytesOfText } from "../../base/raw-text.ts";
import { safeNumber } from "./numbers.ts";

const RESULTS: Readonly<Record<string, number>> = {
  "=": Compare_CompareResult.EQUAL,
  "!=": Compare_CompareResult.NOT_EQUAL,
  ">": Compare_CompareResult.GREATER,
  "<": Compare_CompareResult.LESS,
};

/** What is wrong with the line, or the condition. */
export function parseCompare(line: string): { value: Compare } | { error: string } {
  const open = line.indexOf("(");
  if (open < 0) return { error: `malformed comparison: ${line}` };
  const target = line.slice(0, open);
  const { key, operator, value } = scan(line.slice(open + 1));
  if (value === undefined) {
    const got = `${target}(${quote(key ?? "")}) ${operator ?? ""} ""`;
    return { error: `malformed comparison: ${line}; got ${got}` };
  }
  const result = RESULTS[operator ?? ""];
  if (result === undefined) {
    return { error: `malformed comparison: ${line} (unknown operator ${operator ?? ""})` };
  }
  return compareOf(line, target, key ?? "", result, value);
}

interface Scanned {
  readonly key?: string | undefined;
  readonly operator?: string | undefined;
  readonly value?: string | undefined;
}

/** Reads `"key") op "value"` as far as it goes; what follows is passed over. */
function scan(text: string): Scanned {
  const start = text.trimStart();
  const key = readGoString(start);
  if (key === undefined) return {};
  const operator = /^\)\s+(\S+)/.exec(start.slice(key.length));
  if (operator === null) return { key: key.value };
  const rest = start.slice(key.length + operator[0].length).trimStart();
  const value = readGoString(rest);
  return { key: key.value, operator: operator[1], value: value?.value };
}

function compareOf(
  line: string,
  target: string,
  key: string,
  result: number,
  text: string,
): { value: Compare } | { error: string } {
  const common = { key: bytesOfText(key), result };
  if (target === "val" || target === "value") {
    const targetUnion = { case: "value", value: bytesOfText(text) } as const;
    return {
      value: Compare.create({ ...common, target: Compare_CompareTarget.VALUE, targetUnion }),
    };
  }
  if (!["ver", "version", "c", "create", "m", "mod", "lease"].includes(target)) {
    return { error: `malformed comparison: ${line} (unknown target ${target})` };
  }
  // Lease ids are hexadecimal wherever the tool shows or reads them.
  const parsed = parseInt64(text, target === "lease" ? 16 : 10);
  if ("error" in parsed) return { error: `invalid txn compare request: ${line}` };
  const number = safeNumber(parsed.value);
  switch (target) {
    case "lease":
      return {
        value: Compare.create({
          ...common,
          target: Compare_CompareTarget.LEASE,
          targetUnion: { case: "lease", value: parsed.value },
        }),
      };
    case "ver":
    case "version":
      return {
        value: Compare.create({
          ...common,
          target: Compare_CompareTarget.VERSION,
          targetUnion: { case: "version", value: number },
        }),
      };
    case "c":
    case "create":
      return {
        value: Compare.create({
          ...common,
          target: Compare_CompareTarget.CREATE,
          targetUnion: { case: "createRevision", value: number },
        }),
      };
    default:
      return {
        value: Compare.create({
          ...common,
          target: Compare_CompareTarget.MOD,
          targetUnion: { case: "modRevision", value: number },
        }),
      };
  }
}
