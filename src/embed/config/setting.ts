/**
 * The rows of the table of settings. One row says everything about a setting: its flag (and by
 * that its variable), its place in a YAML file, its type, default, and help.
 *
 * The tables themselves are `settings-*.ts`; the type of the configuration is derived from them,
 * so a setting is added by adding one row.
 */
import type { GateName } from "./feature-gates.ts";
import type { ValueType } from "./value-type.ts";

export interface Setting<T> {
  /** Without dashes; the variable is ETCD_ and this in capitals with underscores. */
  readonly flag: string;
  readonly type: ValueType<T>;
  /** The value before any source is read, as etcd's own flag table has it. */
  readonly fallback: T;
  readonly help: string;
  /** Keys from the root of a YAML file, joined by dots. Undefined: not settable there. */
  readonly yaml: string | undefined;
  /** The default in the help, when it is not the plain text of `fallback`. */
  readonly shown: string | undefined;
  /** What a zero stands for; the configuration then holds this value. */
  readonly zeroMeans: T | undefined;
  /** Logged as a warning when the setting is given. */
  readonly warning: string | undefined;
}

export interface SettingOptions<T> {
  readonly yaml?: string | null;
  readonly shown?: string;
  readonly zeroMeans?: T;
  readonly warning?: string;
}

export function setting<T>(
  flag: string,
  type: ValueType<T>,
  fallback: NoInfer<T>,
  help: string,
  options: SettingOptions<NoInfer<T>> = {},
): Setting<T> {
  return {
    flag,
    type,
    fallback,
    help,
    yaml: options.yaml === null ? undefined : (options.yaml ?? flag),
    shown: options.shown,
    zeroMeans: options.zeroMeans,
    warning: options.warning,
  };
}

/** A former name of a setting, still accepted. */
export interface RenamedFlag {
  readonly flag: string;
  /** The flag it became. */
  readonly now: string;
  /** Keys in a YAML file that mean this flag. */
  readonly yaml: readonly string[];
  /** Logged as a warning when the flag is given; undefined where etcd is silent. */
  readonly warning: string | undefined;
}

/** A flag of the time before feature gates. */
export interface GateFlag {
  readonly flag: string;
  readonly gate: GateName;
  readonly warning: string | undefined;
}

export function environmentName(flag: string): string {
  return `ETCD_${flag.toUpperCase().replaceAll("-", "_")}`;
}
