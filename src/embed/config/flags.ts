/**
 * Every flag that the command line knows, by name and by section of the help, and the values
 * that a source (command line, environment or file) has set so far.
 */
import {
  completeConfig,
  type EtcdConfig,
  type GivenValues,
  type SettingName,
  SETTINGS,
  settingOf,
} from "./config.ts";
import { type GateSettings, NO_GATES, parseGates, setGates } from "./feature-gates.ts";
import {
  GATE_FLAGS,
  IGNORED_FLAGS,
  RENAMED_CHECK_FLAGS,
  RENAMED_TRACING_FLAGS,
} from "./former-flags.ts";
import { quote } from "../../base/go-quote.ts";
import { TextError } from "../../base/go-text.ts";
import type { GateFlag, RenamedFlag } from "./setting.ts";
import { CLUSTERING, V2_LEGACY } from "./settings-cluster.ts";
import { MEMBER } from "./settings-member.ts";
import { CHECKS, DASHBOARD, LOGGING, PROFILING, TRACING, UNSAFE } from "./settings-operation.ts";
import { AUTH, SECURITY } from "./settings-security.ts";
import { bool } from "./value-type.ts";

export type FlagEntry =
  | { readonly kind: "setting"; readonly flag: string; readonly name: SettingName }
  | {
      readonly kind: "renamed";
      readonly flag: string;
      readonly name: SettingName;
      readonly former: RenamedFlag;
    }
  | { readonly kind: "gate"; readonly flag: string; readonly former: GateFlag }
  | { readonly kind: "gates"; readonly flag: "feature-gates" }
  | { readonly kind: "configFile"; readonly flag: "config-file" }
  | { readonly kind: "version"; readonly flag: "version" }
  | { readonly kind: "ignored"; readonly flag: string };

export interface HelpSection {
  readonly title: string;
  readonly entries: readonly FlagEntry[];
}

const NAME_BY_FLAG: ReadonlyMap<string, SettingName> = new Map(
  (Object.keys(SETTINGS) as SettingName[]).map((name) => [SETTINGS[name].flag, name]),
);

function mustFindName(flag: string): SettingName {
  const name = NAME_BY_FLAG.get(flag);
  if (name === undefined) throw new Error(`no setting has the flag ${flag}`);
  return name;
}

function entriesOf(settings: object): FlagEntry[] {
  return (Object.keys(settings) as SettingName[]).map((name) => ({
    kind: "setting",
    flag: settingOf(name).flag,
    name,
  }));
}

function renamedEntries(flags: readonly RenamedFlag[]): FlagEntry[] {
  return flags.map((former) => ({
    kind: "renamed",
    flag: former.flag,
    name: mustFindName(former.now),
    former,
  }));
}

function gateEntries(): FlagEntry[] {
  return GATE_FLAGS.map((former) => ({ kind: "gate", flag: former.flag, former }));
}

/** In the order of the help. */
export const HELP_SECTIONS: readonly HelpSection[] = [
  {
    title: "Member",
    entries: [...entriesOf(MEMBER), { kind: "gates", flag: "feature-gates" }],
  },
  { title: "Clustering", entries: entriesOf(CLUSTERING) },
  { title: "v2 API and proxy", entries: entriesOf(V2_LEGACY) },
  { title: "Security", entries: entriesOf(SECURITY) },
  { title: "Auth", entries: entriesOf(AUTH) },
  { title: "Profiling and Monitoring", entries: entriesOf(PROFILING) },
  { title: "Dashboard", entries: entriesOf(DASHBOARD) },
  { title: "Logging", entries: entriesOf(LOGGING) },
  {
    title: "Experimental distributed tracing",
    entries: [...renamedEntries(RENAMED_TRACING_FLAGS), ...entriesOf(TRACING)],
  },
  {
    title: "Experimental feature",
    entries: [...renamedEntries(RENAMED_CHECK_FLAGS), ...gateEntries(), ...entriesOf(CHECKS)],
  },
  { title: "Unsafe feature", entries: entriesOf(UNSAFE) },
];

const UNLISTED: readonly FlagEntry[] = [
  { kind: "configFile", flag: "config-file" },
  { kind: "version", flag: "version" },
  ...IGNORED_FLAGS.map((flag): FlagEntry => ({ kind: "ignored", flag })),
];

export const FLAGS: ReadonlyMap<string, FlagEntry> = new Map(
  [...HELP_SECTIONS.flatMap((section) => section.entries), ...UNLISTED].map((entry) => [
    entry.flag,
    entry,
  ]),
);

/** Whether the flag stands alone, its value only after "=". */
export function isBoolFlag(entry: FlagEntry): boolean {
  switch (entry.kind) {
    case "setting":
    case "renamed":
      return settingOf(entry.name).type.isBool;
    case "gates":
    case "configFile":
      return false;
    default:
      return true;
  }
}

/** What a source has set. One of these is filled per start, then turned into a configuration. */
export class GivenSettings {
  readonly values: GivenValues = new Map();
  /** Values under former names; they count only after all conflicts are found. */
  readonly #renamed = new Map<string, { readonly name: SettingName; readonly value: unknown }>();
  readonly #gateFlags = new Map<string, boolean>();
  #gates: GateSettings = NO_GATES;
  #gatesText = "";
  /** Flags that were given, in any source. */
  readonly given = new Set<string>();
  configFile = "";
  version = false;

  /** Sets a flag from its text. @throws TextError without the flag's name. */
  set(entry: FlagEntry, text: string): void {
    switch (entry.kind) {
      case "setting":
      case "renamed": {
        const { type } = settingOf(entry.name);
        this.setValue(entry, type.parse(text, this.#valueSoFar(entry)));
        return;
      }
      case "gates":
        this.#gates = parseGates(text, this.#gates);
        this.#gatesText += `${text},`;
        break;
      case "gate":
        this.#gateFlags.set(entry.flag, bool.parse(text, false));
        break;
      case "version":
        this.version = bool.parse(text, false);
        break;
      case "configFile":
        this.configFile = text;
        break;
      case "ignored":
        break;
    }
    this.given.add(entry.flag);
  }

  /** Sets a setting from a value that its type has made. */
  setValue(entry: FlagEntry & { readonly kind: "setting" | "renamed" }, value: unknown): void {
    if (entry.kind === "setting") this.values.set(entry.name, value);
    else this.#renamed.set(entry.flag, { name: entry.name, value });
    this.given.add(entry.flag);
  }

  setGateFlag(flag: string, value: boolean): void {
    this.#gateFlags.set(flag, value);
    this.given.add(flag);
  }

  #valueSoFar(entry: FlagEntry & { readonly kind: "setting" | "renamed" }): unknown {
    const { values } = this;
    return values.has(entry.name) ? values.get(entry.name) : settingOf(entry.name).fallback;
  }

  /** Turns gate flags into gates. @throws TextError when a gate is given in both ways. */
  mergeGates(): GateSettings {
    const merged: [string, boolean][] = [];
    for (const { flag, gate } of GATE_FLAGS) {
      const value = this.#gateFlags.get(flag);
      if (value === undefined) continue;
      if (this.#gatesText.includes(gate)) {
        const inForce = this.#gates.get(gate) ?? false;
        throw new TextError(
          `cannot specify both flags: --${flag}=${value} and --feature-gates=${gate}=${inForce} at the same time, please just use --feature-gates=${gate}=${inForce}`,
        );
      }
      merged.push([gate, value]);
    }
    return setGates(merged, this.#gates);
  }

  /** What is wrong with using former names beside present ones; undefined when nothing. */
  renameProblem(): string | undefined {
    for (const { flag, now } of [...RENAMED_CHECK_FLAGS, ...RENAMED_TRACING_FLAGS]) {
      if (!this.given.has(flag) || !this.given.has(now)) continue;
      if (now === "warning-unary-request-duration") {
        return `both --${flag} and --${now} flags are set. Use only --${now}`;
      }
      return `cannot set --${flag} and --${now} at the same time, please use --${now} only`;
    }
    const hashTime = this.#renamed.get("experimental-compact-hash-check-time")?.value;
    if (typeof hashTime === "number" && hashTime <= 0) {
      const shown = settingOf("compactHashCheckTimeMs").type.format(hashTime);
      return `--experimental-compact-hash-check-time must be >0 (set to ${shown})`;
    }
    return undefined;
  }

  /** Warnings about flags that are going away, in the order of the help. */
  deprecations(): string[] {
    const texts: string[] = [];
    for (const entry of FLAGS.values()) {
      if (!this.given.has(entry.flag)) continue;
      const warning = warningOf(entry);
      if (warning !== undefined) texts.push(warning);
    }
    return texts;
  }

  /** @throws TextError when gates contradict. */
  complete(): EtcdConfig {
    const values = new Map(this.values);
    for (const { name, value } of this.#renamed.values()) values.set(name, value);
    return completeConfig(values, this.mergeGates());
  }
}

function warningOf(entry: FlagEntry): string | undefined {
  switch (entry.kind) {
    case "setting":
      return settingOf(entry.name).warning;
    case "renamed":
    case "gate":
      return entry.former.warning;
    default:
      return undefined;
  }
}

/** `"x" is not a valid flag`, etcd's words for a stray argument. */
export function strayArgument(word: string): string {
  return `${quote(word)} is not a valid flag`;
}
