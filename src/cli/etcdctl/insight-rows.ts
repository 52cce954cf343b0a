/** Commands that say what a cluster is doing and what fills it. etcd's own tool has none of them. */
import type { CommandSpec } from "../framework/command.ts";
import { bool, duration, int, string } from "./flag-rows.ts";

export const INSIGHT_ROWS: readonly CommandSpec[] = [
  {
    use: "du [options] [prefix]",
    short: "Shows what fills the database below a prefix",
    long: `Shows the keys, the bytes of keys and values, and the writes of each child prefix; of all keys when no prefix
is given. Counts are exact. Of a prefix with many keys the other figures come from samples, and are marked with "~".
Bytes are those of present values: their past versions, which a compaction removes, come on top.
Writes are those that the present keys have had since they were created.
`,
    flags: [
      string("separator", "/", "where a child prefix ends"),
      int("depth", "levels of child prefixes", 1),
      int("samples", "pages to read of a prefix with many keys", 8),
    ],
    load: async () => (await import("./commands/du.ts")).du,
  },
  {
    use: "top [options]",
    short: "Shows what the members are doing, again and again",
    long: `Shows rates and latencies of requests, times of fsync and commit, database size, raft position and watchers of
each endpoint, from its /metrics and its status. Latencies of single RPCs need a member with --metrics=extensive.
`,
    flags: [
      duration("interval", "2s", "time between two looks"),
      bool("once", "print one view, after one interval, and end"),
    ],
    persistentFlags: [bool("cluster", "use all endpoints from the cluster member list")],
    load: async () => (await import("./commands/top.ts")).top,
  },
];
