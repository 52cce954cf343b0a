/**
 * The commands that the etcdctl comparison runs against both members, one after the other on fresh
 * data, so that revisions agree.
 *
 * In arguments and input `{endpoint}` and `{dir}` stand for the member's address and a directory
 * of its own, and `{name}` for what an earlier case has captured.
 */

export interface EtcdctlCase {
  readonly name: string;
  readonly args: readonly string[];
  readonly stdin?: string;
  /** Keeps the first group of the expression under this name; its text is blanked in outputs. */
  readonly capture?: readonly [name: string, pattern: RegExp];
  /** The command runs on while these are run; then it gets SIGINT. */
  readonly during?: readonly EtcdctlCase[];
  /** What it must have printed before the commands of `during` are run ... */
  readonly ready?: RegExp;
  /** ... and before it is interrupted. */
  readonly until?: RegExp;
  /** For `during`: repeated until the output matches. */
  readonly retry?: RegExp;
}

type Options = Omit<EtcdctlCase, "name" | "args">;

/** Arguments separated by blanks; an array where one holds a blank. */
function ctl(args: string | readonly string[], options: Options = {}): EtcdctlCase {
  const list = typeof args === "string" ? args.split(" ") : args;
  return { name: list.join(" "), args: list, ...options };
}

const FORMATS = ["simple", "json", "fields", "protobuf", "table"] as const;

function inEachFormat(args: string): EtcdctlCase[] {
  return FORMATS.map((format) => ctl(`${args} -w ${format}`));
}

function txn(title: string, stdin: string, ...flags: string[]): EtcdctlCase {
  return { name: `txn: ${title}`, args: ["txn", ...flags], stdin };
}

const PUT_AND_GET: readonly EtcdctlCase[] = [
  ctl("put foo bar"),
  ctl("get foo"),
  ctl("put foo baz --prev-kv"),
  ctl(["put", "spaced key", "spaced value"]),
  ctl("put from-stdin", { stdin: "a value\nof two lines\n" }),
  ctl("get from-stdin"),
  ctl(["put", "--", "-dashed", "-value"]),
  ctl(["get", "--", "-dashed"]),
  ctl("put empty", { stdin: "" }),
  ctl("get empty"),
  ctl(["put", "", "value"]),
  ctl("put"),
  ctl("get"),
  ctl("get nothing"),
  ...["a 1", "b 3", "c 2", "b 4", "b 5", "c 0"].map((pair) => ctl(`put sort/${pair}`)),
  ctl("get sort/ --prefix"),
  ctl("get sort/ --prefix --keys-only"),
  ctl("get sort/ --prefix --print-value-only"),
  ctl("get sort/ --prefix --limit=2"),
  ctl("get sort/a sort/c"),
  ctl("get sort/b --from-key"),
  ctl(["get", "", "--from-key"]),
  ctl(["get", "", "--prefix"]),
  ...["ASCEND", "DESCEND"].flatMap((order) =>
    ["KEY", "VERSION", "CREATE", "MODIFY", "VALUE"].map((target) =>
      ctl(`get sort/ --prefix --order=${order} --sort-by=${target}`),
    ),
  ),
  ctl("get sort/ --prefix --sort-by=MODIFY --limit=1"),
  ctl("get sort/ --prefix --order=SIDEWAYS"),
  ctl("get sort/ --prefix --sort-by=NOTHING"),
  ctl("get sort/b --consistency=s"),
  ctl("get sort/b --consistency=x"),
  ctl("get sort/b --rev=3"),
  ctl("get sort/b --rev=10"),
  ctl("get sort/ --prefix --rev=11 --order=DESCEND"),
  ctl("get sort/b --rev=1000"),
  ctl("get foo --prefix --from-key"),
  ctl("get foo --hex"),
  ...inEachFormat("get sort/ --prefix"),
  ...inEachFormat("put formats x --prev-kv"),
  ctl("put foo --ignore-value"),
  ctl("put foo extra --ignore-value"),
  ctl("put absent --ignore-value"),
  ctl("put absent x --ignore-lease"),
  ctl("get foo -w json"),
];

const DELETE: readonly EtcdctlCase[] = [
  ctl("del nothing"),
  ctl("del empty"),
  ctl("del foo --prev-kv"),
  ctl("del sort/a sort/c --prev-kv"),
  ctl("put del/1 x"),
  ctl("put del/2 x"),
  ctl("put del/3 x"),
  ctl("del del/ --prefix"),
  ctl(["del", ""]),
  ctl("del"),
  ...inEachFormat("del nothing --prev-kv"),
  ctl("get foo -w json"),
];

const HASHES: readonly EtcdctlCase[] = [
  ctl("endpoint hashkv"),
  ctl("endpoint hashkv --rev=5"),
  ctl("endpoint hashkv --rev=20"),
  ctl("endpoint hashkv --rev=10000"),
];

const TXN: readonly EtcdctlCase[] = [
  ctl("put txn/a 1"),
  txn("succeeds", 'value("txn/a") = "1"\n\nput txn/b 2\nget txn/a\n\nput txn/c 3\n\n'),
  txn("fails", 'value("txn/a") = "2"\n\nput txn/b 2\n\nput txn/c 3\nget txn/b\ndel txn/b\n\n'),
  txn(
    "all targets",
    'version("txn/a") = "1"\ncreate("txn/a") > "0"\nmod("txn/a") < "9999"\n\nget txn/a\n\n\n',
  ),
  txn("version of an absent key", 'version("txn/none") = "0"\n\nput txn/none x\n\n\n'),
  txn("empty", "\n\n\n"),
  txn("two puts of a key", "\nput txn/x 1\nput txn/x 2\n\n\n"),
  txn("a put inside a deleted range", "\nput txn/x 1\ndel txn/ --prefix\n\n\n"),
  txn("an unknown comparison", 'size("txn/a") = "1"\n\n\n\n'),
  txn("an unknown operation", "\nfrobnicate x\n\n\n"),
  txn("a range and its previous values", "\ndel txn/ --prefix --prev-kv\nget txn/ --prefix\n\n\n"),
  ...FORMATS.map((format) =>
    txn(`as ${format}`, "\nput txn/f 1\nget txn/f\ndel txn/g\n\n\n", "-w", format),
  ),
  txn("interactive", 'mod("txn/a") > "0"\n\nput txn/i 1\n\nget txn/i\n\n', "-i"),
];

const LEASES: readonly EtcdctlCase[] = [
  ctl("lease grant 100", { capture: ["lease", /lease ([0-9a-f]+) granted/] }),
  ctl("lease grant 1", { capture: ["short", /lease ([0-9a-f]+) granted/] }),
  ctl("lease revoke {short}"),
  ctl("lease grant"),
  ctl("lease grant abc"),
  ctl("lease grant 9000000001"),
  ctl("put leased/a 1 --lease={lease}"),
  ctl("put leased/a 3 --ignore-lease"),
  ctl("put leased/x 1 --lease=7f"),
  ctl("put leased/x 1 --lease=nothex"),
  ctl("get leased/ --prefix"),
  ctl("lease timetolive {lease} --keys"),
  ctl("lease timetolive {lease}"),
  ctl("put leased/b 2 --lease={lease}"),
  ctl("lease timetolive 7f"),
  ctl("lease timetolive nothex"),
  ctl("lease list"),
  ctl("lease keep-alive {lease} --once"),
  ctl("lease keep-alive 7f --once"),
  ctl("lease keep-alive {lease}", { until: /keepalived.*\n/ }),
  ctl("lease revoke {lease}"),
  ctl("lease revoke {lease}"),
  ctl("lease revoke nothex"),
  ctl("get leased/ --prefix"),
  ctl("lease timetolive {lease} --keys"),
];

const WATCH: readonly EtcdctlCase[] = [
  ctl("put watch/0 start"),
  ctl("watch watch/ --prefix --rev=1", {
    until: /last\n/,
    during: [
      ctl("put watch/a 1"),
      ctl("put watch/a 2"),
      ctl("del watch/a"),
      txn("during a watch", "\nput watch/b 1\nput watch/c 2\ndel watch/0\n\n\n"),
      ctl("put watch/z last"),
    ],
  }),
  ctl("watch watch/a --rev=1 --prev-kv", { until: /DELETE\nwatch\/a\n2\nwatch\/a\n\n/ }),
  ctl("watch watch/a watch/c --rev=1", { until: /watch\/b\n1\n/ }),
  ctl("watch watch/a --rev=1 -w json", { until: /"type":1.*\n/ }),
  ctl("watch watch/a --rev=1 -w fields", { until: /DELETE.*"Lease" : 0\n/s }),
  ctl(
    [
      "watch",
      "watch/z",
      "--rev=1",
      "--",
      "sh",
      "-c",
      "echo $ETCD_WATCH_EVENT_TYPE $ETCD_WATCH_KEY $ETCD_WATCH_VALUE",
    ],
    {
      until: /"PUT" "watch\/z" "last"/,
    },
  ),
  ctl("watch -i", { stdin: "watch watch/z --rev=1\n", until: /last\n/ }),
  ctl("watch"),
];

const COMPACTION: readonly EtcdctlCase[] = [
  ctl("compaction 20"),
  ctl("compaction 20"),
  ctl("compaction 19"),
  ctl("compaction 10000"),
  ctl("compaction 0"),
  ctl("compaction abc"),
  ctl("compaction 25 --physical"),
  ctl("get sort/b --rev=24"),
  ctl("get sort/ --prefix --rev=25"),
  ctl("watch sort/ --prefix --rev=5"),
  ctl("endpoint hashkv --rev=24"),
  ctl("defrag"),
  ctl("get sort/ --prefix"),
];

const CLUSTER: readonly EtcdctlCase[] = [
  ctl("member list"),
  ...FORMATS.map((format) => ctl(`member list -w ${format}`)),
  ctl("endpoint health"),
  ctl("endpoint health -w json"),
  ctl("endpoint health --cluster"),
  ctl("endpoint status"),
  ctl("endpoint status -w fields"),
  ctl("endpoint status -w json"),
  ctl("endpoint status -w table"),
  ctl("alarm list"),
  ctl("alarm disarm"),
  ctl("move-leader 7f"),
];

const SNAPSHOT: readonly EtcdctlCase[] = [
  ctl("snapshot save {dir}/snapshot.db"),
  ctl("snapshot restore {dir}/snapshot.db --data-dir {dir}/restored"),
  ctl("snapshot restore {dir}/snapshot.db --data-dir {dir}/restored"),
];

const LOCKS: readonly EtcdctlCase[] = [
  ctl(["lock", "a-lock", "--", "sh", "-c", "echo locked $ETCD_LOCK_KEY | cut -d/ -f1; exit 3"]),
  ctl("lock a-lock", {
    capture: ["lockKey", /(a-lock\/[0-9a-f]+)/],
    ready: /a-lock\//,
    during: [ctl("get a-lock --prefix --keys-only")],
  }),
  ctl("get a-lock --prefix --keys-only"),
  ctl("elect an-election candidate", {
    capture: ["electionKey", /(an-election\/[0-9a-f]+)/],
    ready: /candidate/,
    during: [ctl("elect an-election --listen", { until: /candidate.*\n/ })],
  }),
  ctl("get an-election --prefix --keys-only"),
  ctl("put mirror/from/1 one"),
  ctl("make-mirror --prefix mirror/from --dest-prefix mirror/to {endpoint}", {
    during: [
      ctl("put mirror/from/2 two"),
      ctl("get mirror/to --prefix", { retry: /two/ }),
      ctl("del mirror/from/1"),
      ctl("get mirror/to/1", { retry: /^$/ }),
    ],
  }),
  ctl("get mirror/ --prefix"),
];

const MISTAKES: readonly EtcdctlCase[] = [
  ctl("frobnicate"),
  ctl("get a b c"),
  ctl("get foo -w yaml"),
  ctl("put foo bar --no-such-flag"),
];

export const ETCDCTL_CASES: readonly EtcdctlCase[] = [
  ...PUT_AND_GET,
  ...DELETE,
  ...HASHES,
  ...TXN,
  ...WATCH,
  ...COMPACTION,
  ...HASHES,
  ...LEASES,
  ...CLUSTER,
  ...LOCKS,
  ...SNAPSHOT,
  ...MISTAKES,
];
