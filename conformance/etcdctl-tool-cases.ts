/**
 * The command lines that the comparison of the two etcdctl programs runs, one after the other, each
 * program against a member of its own with fresh data, so that revisions agree.
 *
 * In arguments `{host}` stands for the member's address and `{name}` for what an earlier case has
 * captured; captured texts are blanked in outputs.
 */

export interface ToolCase {
  readonly args: readonly string[];
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Keeps the first group of the expression under this name. */
  readonly capture?: readonly [name: string, pattern: RegExp];
  /** Without `--endpoints` in front. */
  readonly raw?: boolean;
}

type Options = Omit<ToolCase, "args">;

const cases: ToolCase[] = [];
const FORMATS = ["simple", "json", "fields", "protobuf", "table"] as const;

function add(args: string | readonly string[], options: Options = {}): void {
  cases.push({ args: typeof args === "string" ? args.split(" ") : args, ...options });
}

/** Several command lines without anything special. */
function addAll(...lines: readonly string[]): void {
  for (const line of lines) add(line);
}

function each(args: string, options: Options = {}): void {
  for (const format of FORMATS) add(`${args} -w ${format}`, options);
}

function txn(stdin: string, ...flags: string[]): void {
  add(["txn", ...flags], { stdin });
}

addAll("put foo bar");
each("put foo bar2");
each("get foo");
each("put foo b3 --prev-kv");
add(["put", "sp ace", "v al"]);
add("put st", { stdin: "two\nlines\n" });
addAll("get st");
add(["put", "--", "-d", "-v"]);
add(["get", "--", "-d"]);
add("put e", { stdin: "" });
add(["put", "", "v"]);
addAll("put", "get");
each("get nothing");
for (const p of ["a 1", "b 3", "c 2", "b 4", "b 5", "c 0"]) add(`put sort/${p}`);
addAll("get sort/ --prefix");
each("get sort/ --prefix");
for (const o of ["", "ASCEND", "DESCEND", "descend", "x"])
  for (const s of ["", "KEY", "VERSION", "CREATE", "MODIFY", "VALUE", "zz"])
    add(["get", "sort/", "--prefix", `--order=${o}`, `--sort-by=${s}`]);
addAll("get sort/ --prefix --keys-only");
each("get sort/ --prefix --keys-only");
each("get sort/ --prefix --count-only");
addAll("get sort/ --prefix --count-only --keys-only", "get sort/ --prefix --limit 1 -w fields");
each("get sort/ --prefix --print-value-only");
addAll(
  "get sort/ --prefix --from-key",
  "get sort/ z --prefix",
  "get sort/ z",
  "get sort/a sort/c",
  "get sort/b --from-key --limit=2",
);
add(["get", "", "--prefix", "--keys-only"]);
add(["get", "", "--from-key", "--limit=2"]);
add(["get", ""]);
addAll(
  "get foo --rev 3",
  "get foo --rev 1",
  "get foo --rev 999",
  "get foo --rev -1",
  "get foo --consistency=s",
  "get foo --consistency=x",
  "get foo --min-mod-rev=5",
  "get sort/ --prefix --min-mod-rev=12 --max-mod-rev=13 --keys-only",
  "get sort/ --prefix --min-create-rev=12 --max-create-rev=13",
  "get sort/ --min-create-rev=14 --max-create-rev=13",
  "get sort/ --min-mod-rev=14 --max-mod-rev=13",
  "get foo --hex",
  "get foo --hex -w fields",
  "get foo --hex -w json",
  "get foo --hex --print-value-only",
);
add(["put", 'q"uo\\te', "\u00e9\u4e2d\u0001\u007f\ud83d\ude00<>&\u00a0\u2028"]);
each(["get", 'q"uo\\te'].join(" "));
add("put tab", { stdin: "a\tb\n" });
addAll("get tab -w fields", "get tab -w json", "del foo --prev-kv");
each("del sort/a --prev-kv");
addAll(
  "del nothing",
  "del sort/b sort/bz --range --prev-kv",
  "del sort/b sort/bz",
  "del a b c",
  "del",
  "del a --prefix --from-key",
  "del a b --prefix",
  "del sort/ --prefix -w json",
  "del x --from-key=false",
  "put ig v",
  "put ig --ignore-value",
  "put ig x --ignore-value",
  "put nope --ignore-value",
  "put ig v2 --ignore-lease",
  "put nope2 v2 --ignore-lease",
  "put l v --lease=zz",
  "put l v --lease=123abc",
  "put k1 v1",
);
for (const f of FORMATS)
  txn('value("k1") = "v1"\n\nget k1\nput k2 v2\ndel k3\n\nget k1\n\n', "-w", f);
for (const f of FORMATS)
  txn('value("k1") = "no"\n\nget k1\n\nput k9 "a b" --prev-kv\nget k9\n\n', "-w", f);
txn(
  'mod("k1") > "0"\nver("k1") = "1"\nc("k1") > "0"\nm("k1")>"1"\n\nput k1 \'single q\'\n\n\n',
  "-i",
);
txn('mod("k1") > "0"\n\nput k1 "x\\ty"\n\n\n');
addAll("get k1");
txn("bad\n\n\n\n");
txn('zz("k") = "1"\n\n\n\n');
txn('mod("k1") = "x"\n\n\n\n');
txn('mod("k1") = 1\n\n\n\n');
txn('mod(k1) = "1"\n\n\n\n');
txn("");
txn('mod("k1") > "0"');
txn("\nget\n\n\n");
txn("\nfoo bar\n\n\n");
txn("\nput a b\nput a c\n\n\n");
txn("\nget k --prefix --keys-only\n\n\n");
txn("\nget k --prefix --sort-by=KEY --order=DESCEND --limit 2\n\n\n");
txn("\n\n\n");
txn("", "x");
txn('val("k1") != "q"\n\ndel k --prefix\n\n\n');
txn('\nput x "unterminated\n\n\n');
addAll(
  "compaction 3",
  "compaction 3",
  "compaction 9999",
  "compaction x",
  "compaction",
  "compaction 4 --physical",
  "get foo --rev=2",
  "compaction -- -1",
);
add("lease grant 500", { capture: ["L", /lease (\w+) /] });
add("lease grant 300", { capture: ["M", /lease (\w+) /] });
add("lease grant 300 -w fields", { capture: ["X", /"ID" : (\d+)/] });
add("lease grant 300 -w json", { capture: ["Y", /"ID":(\d+)/] });
add("lease grant 300 -w table");
addAll("put lk1 v --lease={L}", "get lk1 -w fields --hex");
each("lease timetolive {L} --keys");
each("lease timetolive {L}");
each("lease keep-alive --once {L}");
addAll(
  "lease timetolive 1234",
  "lease timetolive 1234 -w json",
  "lease timetolive 1234 --keys -w fields",
  "lease timetolive",
  "lease timetolive zz",
  "lease keep-alive --once 1234",
  "lease keep-alive 1234",
  "lease keep-alive",
);
each("lease revoke {M}");
addAll(
  "lease revoke 1234",
  "lease revoke",
  "lease revoke zz",
  "lease grant",
  "lease grant x",
  "lease grant 99999999999",
  "lease grant 9999999999999999999999",
  "lease revoke {L}",
  "get lk1",
  "lease",
  "lease nope",
  "lease timetolive {L} --keys",
);
each("member list");
for (const f of FORMATS) add(`member list --hex -w ${f}`);
addAll(
  "member list --consistency=s",
  "member list --consistency=q",
  "member add",
  "member add n1",
  "member add n1 http://a:1",
  "member add n1 --peer-urls=http://127.0.0.1:2380",
  "member add n1 --peer-urls=bad",
  "member remove",
  "member remove zz",
  "member remove 1234",
  "member update",
  "member update 1234",
  "member update 1234 --peer-urls=http://a:1",
  "member promote",
  "member promote zz",
  "member promote 1234",
  "member promote 8e9e05c52164694d",
  "member update 8e9e05c52164694d --peer-urls=http://127.0.0.1:2380",
);
each("member update 8e9e05c52164694d --peer-urls=http://127.0.0.1:2380");
each("endpoint status");
each("endpoint health");
addAll("endpoint hashkv --rev=999", "endpoint hashkv --rev=1", "endpoint", "endpoint nope");
add("--endpoints=127.0.0.1:1 --command-timeout=300ms endpoint status", { raw: true });
add("--endpoints=127.0.0.1:1 --command-timeout=300ms endpoint health", { raw: true });
add("--endpoints=127.0.0.1:1 --command-timeout=300ms endpoint hashkv -w json", { raw: true });
add("--endpoints=127.0.0.1:1 --command-timeout=300ms get foo", { raw: true });
add("--endpoints=127.0.0.1:1 --command-timeout=300ms endpoint health -w json", { raw: true });
add("--endpoints=127.0.0.1:1 --command-timeout=300ms put foo bar", { raw: true });
add("--endpoints=127.0.0.1:1 --command-timeout=300ms defrag", { raw: true });
add("--endpoints=127.0.0.1:1 --command-timeout=300ms --cluster defrag", { raw: true });
add("--endpoints=127.0.0.1:1 --command-timeout=300ms --cluster endpoint health", { raw: true });
add("--endpoints=127.0.0.1:1 --command-timeout=300ms member list", { raw: true });
add("--endpoints=127.0.0.1:1 --command-timeout=300ms snapshot save s.db", { raw: true });
add("--endpoints=127.0.0.1:1 --command-timeout=300ms --dial-timeout=300ms --user=a:b get foo", {
  raw: true,
});
add("--endpoints=127.0.0.1:1 --command-timeout=300ms lease grant 5", { raw: true });
add("--endpoints=127.0.0.1:1 --command-timeout=300ms compaction 5", { raw: true });
each("alarm list");
each("alarm disarm");
addAll("alarm list x", "alarm disarm x", "alarm", "defrag", "defrag -w json");
each("move-leader 1234");
addAll(
  "move-leader",
  "move-leader zz",
  "move-leader 8e9e05c52164694d",
  "snapshot save",
  "snapshot save a b",
  "snapshot save s.db",
  "snapshot save /nonexistent/s.db",
);
add("snapshot save s.db --endpoints=a:1,b:2", { raw: true });
addAll("snapshot");
each("downgrade validate 3.5");
addAll(
  "downgrade validate",
  "downgrade validate a b",
  "downgrade validate 3.3",
  "downgrade validate x",
);
add(["downgrade", "validate", ""]);
addAll(
  "downgrade cancel",
  "downgrade enable 3.4",
  "downgrade enable",
  "downgrade enable 3.5",
  "downgrade cancel",
  "downgrade cancel",
  "downgrade",
);
each("auth status");
addAll(
  "auth status x",
  "auth enable x",
  "auth disable",
  "user add",
  "user add u1:pw",
  "user add u1:pw",
);
each("user add u2 --no-password");
addAll("user add u3 --new-user-password=p", "user add :p");
add("user add u4", { stdin: "p\np\n" });
add("user add u5", { stdin: "p\nq\n" });
add("user add u6", { stdin: "\n" });
add("user add u7", { stdin: "" });
add("user add u8 --interactive=false", { stdin: "pw more\n" });
each("user list");
each("user get u1");
addAll("user get u1 --detail", "user get nope", "user get", "user list x");
each("role add r1");
each("role list");
addAll("role list x", "role add");
each("role get r1");
addAll("role get nope", "role get");
for (const t of ["read", "write", "readwrite", "READ", "bad"])
  add(`role grant-permission r1 ${t} k${t}`);
addAll(
  "role grant-permission r1 read a z",
  "role grant-permission r1 readwrite pre --prefix",
  "role grant-permission r1 read fk --from-key",
);
add(["role", "grant-permission", "r1", "read", "", "--prefix"]);
addAll(
  "role grant-permission r1 read a b --prefix",
  "role grant-permission r1 read a b --from-key",
  "role grant-permission r1 read a --from-key --prefix",
  "role grant-permission r1 read",
  "role grant-permission nope read a",
);
each("role get r1");
addAll(
  "role revoke-permission r1 kread",
  "role revoke-permission r1 a z",
  "role revoke-permission r1 fk --from-key",
  "role revoke-permission r1 pre --prefix",
  "role revoke-permission r1 nope",
  "role revoke-permission r1",
);
add(["role", "revoke-permission", "r1", "", "--prefix"]);
each("user grant-role u1 r1");
addAll(
  "user grant-role u1 nope",
  "user grant-role u1",
  "user get u1 --detail",
  "user get u1 --detail -w json",
  "user revoke-role u1 r1 -w json",
  "user revoke-role u1 r1",
  "user revoke-role u1",
);
add("user passwd u1", { stdin: "n\nn\n" });
add("user passwd nope", { stdin: "n\nn\n" });
add("user passwd u1 --interactive=false -w fields", { stdin: "n\n" });
addAll(
  "user passwd",
  "user delete u3",
  "user delete u3",
  "user delete",
  "role get root",
  "user get root",
  "auth enable",
  "user add root:rp",
  "auth enable",
  "get foo",
  "--user=root:rp get k --prefix",
  "--user=root:bad get foo",
  "--user=root --password=rp auth status",
  "--user=u1:n get zz",
  "--user=u1:n get kwrite",
);
add("--user=root get k1", { stdin: "rp\n" });
addAll(
  "put foo 1 --user=root:rp",
  "--user=root:rp role get root",
  "--user=root:rp user grant-role u1 r1",
  "--user=u1:n endpoint health",
  "--user=u1:n put kwrite v",
  "--user=u1:n put other v",
  "--user=u1:n user list",
  "member list",
  "--user=root:rp endpoint status -w fields",
  "endpoint status",
  "defrag",
);
add("get x", { env: { ETCDCTL_USER: "root:rp" } });
addAll(
  "auth disable --user=u1:n",
  "auth disable --user=root:rp",
  "auth status",
  "--user=u1:n get zz",
);
add("get foo", { env: { ETCDCTL_WRITE_OUT: "json" } });
add("get foo -w json", { env: { ETCDCTL_WRITE_OUT: "json" } });
add("get foo", { env: { ETCDCTL_FOO: "x" } });
add("get foo", { env: { ETCDCTL_HEX: "bad" } });
addAll(
  "get foo --cert=",
  "get foo --cert=/nope --key=/nope",
  "get foo --cert=/nope",
  "get foo --cacert=/nope",
  "get foo -w nope",
);
add(["get", "foo", "--endpoints="], { raw: true });
add(["--endpoints", "{host},{host}", "get", "foo"], { raw: true });
add(["--endpoints", " http://{host} ", "get", "foo"], { raw: true });
for (const form of [
  "HTTP://{host}",
  "http://{host}/",
  "http://{host}/a/path?query=1#fragment",
  "http://user:password@{host}",
  ":{port}",
  "http://:{port}",
  "{host},",
]) {
  add(["--endpoints", form, "get", "foo"], { raw: true });
}
add(["--endpoints=ftp://x", "--command-timeout=300ms", "get", "foo"], { raw: true });
addAll(
  "put big v --max-request-bytes=3",
  "get foo --max-recv-bytes=3",
  "get foo --command-timeout=1ns",
  "version",
  "version -w json",
  "check perf --load=zz",
  "check datascale --load=zz",
  "elect",
  "elect a",
  "elect a b -l",
  "lock",
  "lock lk true",
  "lock lk false",
);
add(["lock", "lk", "sh", "-c", "exit 7"]);
addAll("lock lk /nope");
// The shell of the command fills these in.
// biome-ignore lint/suspicious/noTemplateCurlyInString: as above.
add(["lock", "lk", "sh", "-c", "echo ${ETCD_LOCK_KEY%/*} $ETCD_LOCK_REV"]);
addAll(
  "make-mirror",
  "make-mirror a --no-dest-prefix --dest-prefix=x",
  "watch",
  "watch a b --prefix",
  "watch --rev=1 a",
);
add(["watch", "a", "--"]);
add(["watch", "--", "echo"]);
add("watch a", { env: { ETCDCTL_WATCH_KEY: "b" } });
add("watch", { env: { ETCDCTL_WATCH_RANGE_END: "b" } });
each("watch a --rev=1");
add("watch -i", { stdin: "foo\nwatch\n\n" });
add("watch -i", { stdin: "watch a --\n" });
add("watch -i", { stdin: "watch --nope\n" });
add("watch -i", { stdin: "watch a b --prefix\nprogress\n" });
add("watch -i", { stdin: "watch --rev x a\n" });
add("watch -i", { stdin: "" });
addAll("mem l", "get foo --keepalive-time=1s --keepalive-timeout=1s");

/** In the order in which they are run. */
export const ETCDCTL_TOOL_CASES: readonly ToolCase[] = cases;
