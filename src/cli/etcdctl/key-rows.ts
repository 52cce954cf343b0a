/** Commands on keys: get, put, del, txn, watch, compaction, make-mirror. */
import type { CommandSpec } from "../framework/command.ts";
import type { FlagSpec } from "../framework/flags.ts";
import { bool, int, string } from "./flag-rows.ts";

export const CONSISTENCY_FLAG: FlagSpec = string(
  "consistency",
  "l",
  "Linearizable(l) or Serializable(s)",
  ["l", "s"],
);

/** Of etcd 3.7. Without meaning for a `get` in a transaction. */
const STREAM_FLAG: FlagSpec = bool("stream", "Use the RangeStream RPC");

export const GET_ROW: CommandSpec = {
  use: "get [options] <key> [range_end]",
  short: "Gets the key or a range of keys",
  flags: [
    CONSISTENCY_FLAG,
    string("order", "", "Order of results; ASCEND or DESCEND (ASCEND by default)", [
      "ASCEND",
      "DESCEND",
    ]),
    string("sort-by", "", "Sort target; CREATE, KEY, MODIFY, VALUE, or VERSION", [
      "CREATE",
      "KEY",
      "MODIFY",
      "VALUE",
      "VERSION",
    ]),
    int("limit", "Maximum number of results"),
    bool("prefix", "Get keys with matching prefix"),
    bool("from-key", "Get keys that are greater than or equal to the given key using byte compare"),
    int("rev", "Specify the kv revision"),
    bool("keys-only", "Get only the keys"),
    bool("count-only", "Get only the count"),
    bool("print-value-only", 'Only write values when using the "simple" output format'),
    int("min-create-rev", "Minimum create revision"),
    int("max-create-rev", "Maximum create revision"),
    int("min-mod-rev", "Minimum modification revision"),
    int("max-mod-rev", "Maximum modification revision"),
    STREAM_FLAG,
  ],
  load: async () => (await import("./commands/get.ts")).get,
};

export const PUT_ROW: CommandSpec = {
  use: "put [options] <key> <value> (<value> can also be given from stdin)",
  short: "Puts the given key into the store",
  long: `
Puts the given key into the store.

When <value> begins with '-', <value> is interpreted as a flag.
Insert '--' for workaround:

$ put <key> -- <value>
$ put -- <key> <value>

If <value> isn't given as a command line argument and '--ignore-value' is not specified,
this command tries to read the value from standard input.

If <lease> isn't given as a command line argument and '--ignore-lease' is not specified,
this command tries to read the value from standard input.

For example,
$ cat file | put <key>
will store the content of the file to <key>.
`,
  flags: [
    string("lease", "0", "lease ID (in hexadecimal) to attach to the key"),
    bool("prev-kv", "return the previous key-value pair before modification"),
    bool("ignore-value", "updates the key using its current value"),
    bool("ignore-lease", "updates the key using its current lease"),
  ],
  load: async () => (await import("./commands/put.ts")).put,
};

export const DEL_ROW: CommandSpec = {
  use: "del [options] <key> [range_end]",
  short: "Removes the specified key or range of keys [key, range_end)",
  flags: [
    bool("prefix", "delete keys with matching prefix"),
    bool("prev-kv", "return deleted key-value pairs"),
    bool(
      "from-key",
      "delete keys that are greater than or equal to the given key using byte compare",
    ),
    bool("range", "delete range of keys"),
  ],
  load: async () => (await import("./commands/del.ts")).del,
};

const TXN_ROW: CommandSpec = {
  use: "txn [options]",
  short: "Txn processes all the requests in one transaction",
  long: `Txn reads multiple etcd requests from standard input and applies them as a single atomic transaction.

A transaction consists of three components:
1) a list of conditions,
2) a list of requests to apply if all the conditions are true,
3) a list of requests to apply if any condition is false.

Example interactive stdin usage:

---
etcdctl txn -i
# compares:
mod("key1") > "0"

# success requests (get, put, delete):
put key1 "overwrote-key1"

# failure requests (get, put, delete):
put key1 "created-key1"
put key2 "some extra key"
---

Refer to https://github.com/etcd-io/etcd/blob/main/etcdctl/README.md#txn-options.`,
  flags: [{ ...bool("interactive", "Input transaction in interactive mode"), short: "i" }],
  load: async () => (await import("./commands/txn.ts")).txn,
};

export const WATCH_ROW: CommandSpec = {
  use: "watch [options] [key or prefix] [range_end] [--] [exec-command arg1 arg2 ...]",
  short: "Watches events stream on keys or prefixes",
  flags: [
    { ...bool("interactive", "Interactive mode"), short: "i" },
    bool("prefix", "Watch on a prefix if prefix is set"),
    int("rev", "Revision to start watching"),
    bool("prev-kv", "get the previous key-value pair before the event happens"),
    bool("progress-notify", "get periodic watch progress notification from server"),
  ],
  load: async () => (await import("./commands/watch.ts")).watch,
};

const COMPACTION_ROW: CommandSpec = {
  use: "compaction [options] <revision>",
  short: "Compacts the event history in etcd",
  flags: [bool("physical", "'true' to wait for compaction to physically remove all old revisions")],
  load: async () => (await import("./commands/compaction.ts")).compaction,
};

const MAKE_MIRROR_ROW: CommandSpec = {
  use: "make-mirror [options] <destination>",
  short: "Makes a mirror at the destination etcd cluster",
  flags: [
    string("prefix", "", "Key-value prefix to mirror"),
    int("rev", "Specify the kv revision to start to mirror"),
    {
      name: "max-txn-ops",
      kind: "uint",
      default: "128",
      usage: "Maximum number of operations permitted in a transaction during syncing updates.",
    },
    string(
      "dest-prefix",
      "",
      "destination prefix to mirror a prefix to a different prefix in the destination cluster",
    ),
    bool("no-dest-prefix", "mirror key-values to the root of the destination cluster"),
    string(
      "dest-cert",
      "",
      "Identify secure client using this TLS certificate file for the destination cluster",
    ),
    string("dest-key", "", "Identify secure client using this TLS key file"),
    string(
      "dest-cacert",
      "",
      "Verify certificates of TLS enabled secure servers using this CA bundle",
    ),
    bool("dest-insecure-transport", "Disable transport security for client connections", true),
    string(
      "dest-user",
      "",
      "Destination username[:password] for authentication (prompt if password is not supplied)",
    ),
    string(
      "dest-password",
      "",
      "Destination password for authentication (if this option is used, --user option shouldn't include password)",
    ),
  ],
  load: async () => (await import("./commands/make-mirror.ts")).makeMirror,
};

export const KEY_ROWS: readonly CommandSpec[] = [
  GET_ROW,
  PUT_ROW,
  DEL_ROW,
  TXN_ROW,
  COMPACTION_ROW,
  WATCH_ROW,
  MAKE_MIRROR_ROW,
];
