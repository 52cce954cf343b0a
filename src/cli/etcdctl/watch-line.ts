/** What a watch command line asks for: key, range end, and a command to run for each event. */

/** The complaints are etcd's. */
const NO_KEY = "bad number of arguments";
const KEY_TWICE = "bad number of arguments (found conflicting environment key)";
const NO_COMMAND = "bad number of arguments (found separator --, but no commands)";

export interface WatchWords {
  /** Arguments before "--". */
  readonly keys: readonly string[];
  /** What stands behind "--"; undefined without it. */
  readonly command: readonly string[] | undefined;
}

/** The key and range end that ETCDCTL_WATCH_KEY and ETCDCTL_WATCH_RANGE_END give. */
export interface WatchEnvironment {
  readonly key: string;
  readonly rangeEnd: string;
}

export interface WatchTarget {
  readonly key: string;
  readonly rangeEnd: string | undefined;
  /** Empty: print only. */
  readonly command: readonly string[];
}

export function watchTarget(
  { keys, command }: WatchWords,
  environment: WatchEnvironment,
): WatchTarget | { error: string } {
  if (command?.length === 0) return { error: NO_COMMAND };
  if (environment.key !== "" && keys.length > 0) return { error: KEY_TWICE };
  const { key, rangeEnd } = environment;
  const fromEnvironment = rangeEnd === "" ? [key] : [key, rangeEnd];
  const given = key === "" ? keys : fromEnvironment;
  const [first] = given;
  if (first === undefined) return { error: NO_KEY };
  return {
    key: first,
    // As etcd has it: more than two arguments are a single key.
    rangeEnd: given.length === 2 ? given[1] : undefined,
    command: command ?? [],
  };
}
