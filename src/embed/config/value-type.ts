/**
 * The kinds of values a setting can have: how each is read from a flag or variable, from a
 * YAML file, and printed. Errors carry the words of Go's `flag` and `encoding/json` packages.
 */
import {
  INT64,
  type IntegerRange,
  UINT32,
  UINT64,
  parseBool,
  parseInteger,
} from "../../base/go-number.ts";
import { quote } from "../../base/go-quote.ts";
import { TextError, formatDuration, parseDurationMs } from "../../base/go-text.ts";
import { type EtcdUrl, formatUrls, parseEtcdUrls } from "../../base/etcd-url.ts";

export interface ValueType<T> {
  /** Go's name of the type, as errors about YAML files print it. */
  readonly goType: string;
  /** A boolean flag takes its value only after "=", and none means true. */
  readonly isBool: boolean;
  /** @throws TextError. `previous` is the value so far, for kinds that add up. */
  parse(text: string, previous: T): T;
  /** Reads a YAML value other than null. @throws YamlTypeError | TextError. */
  fromYaml(value: unknown): T;
  format(value: T): string;
}

/** A YAML value of another type than the setting's. */
export class YamlTypeError extends Error {
  readonly found: string;
  /** Set when the element of a list is wrong: the element's type. */
  readonly wanted: string;
  constructor(found: string, wanted: string) {
    super(`cannot unmarshal ${found} into ${wanted}`);
    this.name = "YamlTypeError";
    this.found = found;
    this.wanted = wanted;
  }
}

/** JSON's name of a value's type, as Go's errors say it. */
export function jsonTypeOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  switch (typeof value) {
    case "string":
      return "string";
    case "boolean":
      return "bool";
    case "number":
    case "bigint":
      return "number";
    default:
      return "object";
  }
}

function yamlString(value: unknown): string {
  if (typeof value !== "string") throw new YamlTypeError(jsonTypeOf(value), "string");
  return value;
}

export const text: ValueType<string> = {
  goType: "string",
  isBool: false,
  parse: (given) => given,
  fromYaml: yamlString,
  format: (value) => value,
};

export const bool: ValueType<boolean> = {
  goType: "bool",
  isBool: true,
  parse(given) {
    const parsed = parseBool(given);
    if ("error" in parsed) throw new TextError("parse error");
    return parsed.value;
  },
  fromYaml(value) {
    if (typeof value !== "boolean") throw new YamlTypeError(jsonTypeOf(value), "bool");
    return value;
  },
  format: String,
};

function integer(goType: string, range: IntegerRange, isFlagPackage: boolean): ValueType<number> {
  return {
    goType,
    isBool: false,
    parse(given) {
      const outcome = parseInteger(given, range);
      if (outcome.kind === "value") return Number(outcome.value);
      const isRange = outcome.kind === "range";
      if (isFlagPackage) throw new TextError(isRange ? "value out of range" : "parse error");
      const problem = isRange ? "value out of range" : "invalid syntax";
      throw new TextError(`strconv.ParseUint: parsing ${quote(given)}: ${problem}`);
    },
    fromYaml(value) {
      if (typeof value !== "number" && typeof value !== "bigint") {
        throw new YamlTypeError(jsonTypeOf(value), goType);
      }
      const isWhole = typeof value === "bigint" || Number.isInteger(value);
      if (!isWhole || BigInt(value) < range.min || BigInt(value) > range.max) {
        throw new YamlTypeError(`number ${value}`, goType);
      }
      return Number(value);
    },
    format: String,
  };
}

export const int: ValueType<number> = integer("int", INT64, true);
export const int64: ValueType<number> = integer("int64", INT64, true);
export const uint: ValueType<number> = integer("uint", UINT64, true);
export const uint64: ValueType<number> = integer("uint64", UINT64, true);
export const uint32: ValueType<number> = integer("uint32", UINT32, false);

/** Milliseconds in the configuration, "1m30s" in flags, whole nanoseconds in YAML files. */
export const duration: ValueType<number> = {
  goType: "time.Duration",
  isBool: false,
  parse(given) {
    try {
      return parseDurationMs(given);
    } catch {
      throw new TextError("parse error");
    }
  },
  fromYaml(value) {
    if (typeof value !== "number" && typeof value !== "bigint") {
      throw new YamlTypeError(jsonTypeOf(value), "time.Duration");
    }
    if (typeof value === "number" && !Number.isInteger(value)) {
      throw new YamlTypeError(`number ${value}`, "time.Duration");
    }
    return Number(value) / 1e6;
  },
  format: formatDuration,
};

function yamlList(value: unknown): string[] {
  if (!Array.isArray(value)) throw new YamlTypeError(jsonTypeOf(value), "[]string");
  return value.map(yamlString);
}

/** A comma list in the order given. */
export const list: ValueType<readonly string[]> = {
  goType: "[]string",
  isBool: false,
  parse: (given) => given.split(","),
  fromYaml: yamlList,
  format: (value) => value.join(","),
};

/** A comma list without repeats, sorted. */
export const uniqueList: ValueType<readonly string[]> = {
  ...list,
  parse: (given) => [...new Set(given.split(","))].sort(),
};

/** Like `uniqueList`, but a comma string in YAML files too. Empty there means "not given". */
export const uniqueWords: ValueType<readonly string[]> = {
  ...uniqueList,
  goType: "string",
  fromYaml: (value) => uniqueList.parse(yamlString(value), []),
};

/** Addresses. An empty text leaves what was there before. */
export const urls: ValueType<readonly EtcdUrl[]> = {
  goType: "string",
  isBool: false,
  parse: (given, previous) => (given === "" ? previous : parseEtcdUrls(given)),
  fromYaml: (value) => parseEtcdUrls(yamlString(value)),
  format: formatUrls,
};

/** Origins of browsers: addresses, or "*" for any. */
export const origins: ValueType<readonly string[]> = {
  goType: "string",
  isBool: false,
  parse: parseOrigins,
  fromYaml: (value) => parseOrigins(yamlString(value)),
  format: (value) => value.join(","),
};

function parseOrigins(given: string): readonly string[] {
  return given === "*" ? ["*"] : parseEtcdUrls(given).map((url) => url.href);
}

/** One of a few words; `yamlProblem` words the complaint about another one in a YAML file. */
export function choice<W extends string>(
  yamlProblem: (given: string) => string,
  ...words: readonly W[]
): ValueType<W> {
  const find = (given: string): W | undefined => words.find((candidate) => candidate === given);
  return {
    goType: "string",
    isBool: false,
    parse(given) {
      const word = find(given);
      if (word === undefined) throw new TextError("invalid value");
      return word;
    },
    fromYaml(value) {
      const given = yamlString(value);
      const word = find(given);
      if (word === undefined) throw new TextError(yamlProblem(given));
      return word;
    },
    format: (value) => value,
  };
}
