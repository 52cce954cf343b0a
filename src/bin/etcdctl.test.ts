/** etcdctl against a member in this process: what it prints, what it exits with. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { etcdctlTable } from "../cli/etcdctl/command-table.ts";
import { SystemClock } from "../env/system-clock.ts";
import type { Io } from "../cli/framework/io.ts";
import { runTool } from "../cli/framework/run-tool.ts";
import { createConfig, type RunningEtcd, startEtcd } from "../embed/index.ts";
import { MemoryLogger } from "../env/testing/index.ts";
import { utilityDeps } from "./utility-world.ts";

const TABLE = etcdctlTable(async ({ io }) => ({
  ...utilityDeps(io, "json"),
  logger: new MemoryLogger(),
}));
const directory = mkdtempSync(join(tmpdir(), "etcdctl-"));
let etcd: RunningEtcd;
let endpoint = "";

before(async () => {
  const anyPort = ["http://127.0.0.1:0"];
  const config = createConfig({
    name: "m0",
    dataDir: join(directory, "data"),
    listenClientUrls: anyPort,
    listenPeerUrls: anyPort,
  });
  etcd = await startEtcd(config, { logger: new MemoryLogger() });
  await etcd.ready;
  endpoint = new URL(etcd.clientAddresses[0] ?? "").host;
});

after(async () => {
  await etcd.stop();
  rmSync(directory, { recursive: true, force: true });
});

interface Outcome {
  readonly code: number;
  readonly out: string;
  /** Without log lines. */
  readonly err: string;
}

interface Surroundings {
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
}

async function etcdctl(
  args: string | readonly string[],
  around: Surroundings = {},
): Promise<Outcome> {
  let out = "";
  let err = "";
  let rest = around.stdin ?? "";
  const io: Io = {
    argv: ["--endpoints", endpoint, ...(typeof args === "string" ? args.split(" ") : args)],
    env: around.env ?? {},
    out: (data) => {
      out += typeof data === "string" ? data : Buffer.from(data).toString();
    },
    err: (data) => {
      err += String(data);
    },
    status: () => undefined,
    clock: new SystemClock({ holdsProcess: true }),
    stdin: {
      isTerminal: false,
      readAll: async () => Buffer.from(rest),
      readLine: async () => {
        const end = rest.indexOf("\n") + 1 || rest.length;
        const line = rest.slice(0, end);
        rest = rest.slice(end);
        return line === "" ? undefined : line;
      },
    },
  };
  const code = await runTool(TABLE, { version: "3.6.14", apiVersion: "3.6" }, io);
  return { code, out, err: err.replace(/^\{"level".*\n/gm, "") };
}

async function printed(args: string | readonly string[], around?: Surroundings): Promise<string> {
  const { out, err, code } = await etcdctl(args, around);
  assert.equal(code, 0, err);
  return out;
}

async function refused(args: string | readonly string[], around?: Surroundings): Promise<string> {
  const { err, code } = await etcdctl(args, around);
  return `${code} ${err.trimEnd()}`;
}

test("keys are written, read and deleted", async () => {
  assert.equal(await printed("put foo bar"), "OK\n");
  assert.equal(await printed("get foo"), "foo\nbar\n");
  assert.equal(await printed("get foo --print-value-only"), "bar\n");
  assert.equal(await printed("get foo --hex"), "\\x66\\x6f\\x6f\n\\x62\\x61\\x72\n");
  assert.equal(await printed("put foo baz --prev-kv"), "OK\nfoo\nbar\n");
  assert.equal(await printed("put lines", { stdin: "a\nb\n" }), "OK\n");
  assert.equal(await printed("get lines"), "lines\na\nb\n\n");
  assert.equal(await printed(["put", "--", "-k", "-v"]), "OK\n");
  assert.equal(await printed("get f --prefix --keys-only"), "foo\n\n");
  assert.equal(await printed("del foo --prev-kv"), "1\nfoo\nbaz\n");
  assert.equal(await printed("get foo"), "");
});

test("answers come in every format that they have", async () => {
  await printed(["put", "form", 'a"<b>']);
  const { header, kvs } = JSON.parse(await printed("get form -w json"));
  assert.deepEqual(Object.keys(header), ["cluster_id", "member_id", "revision", "raft_term"]);
  assert.equal(Buffer.from(kvs[0].value, "base64").toString(), 'a"<b>');
  const fields = await printed("get form -w fields");
  assert.match(
    fields,
    /^"ClusterID" : \d+\n"MemberID" : \d+\n"Revision" : \d+\n"RaftTerm" : \d+\n/,
  );
  assert.match(
    fields,
    /"Key" : "form"\n.*"Value" : "a\\"<b>"\n"Lease" : 0\n"More" : false\n"Count" : 1\n$/s,
  );
  assert.equal(await refused("get form -w table"), "4 Error: table not supported as output format");
  assert.equal(await refused("get form -w nope"), "4 Error: unsupported output format");
  assert.match(
    await printed("member list -w table"),
    /^(\+-+){6}\+\n\| +ID +\| STATUS +\| NAME \| +PEER ADDRS +\| +CLIENT ADDRS +\| IS LEARNER \|\n/,
  );
});

test("a transaction is read from standard input", async () => {
  await printed("put t 1");
  const input = 'value("t") = "1"\nmod("t") > "0"\n\nput t \'two words\'\nget t\n\nget t\n\n';
  assert.equal(await printed("txn", { stdin: input }), "SUCCESS\n\nOK\n\nt\ntwo words\n");
  assert.equal(await printed("txn", { stdin: input }), "FAILURE\n\nt\ntwo words\n");
  assert.equal(
    await printed("txn -i", { stdin: "\n\n\n" }),
    "compares:\nsuccess requests (get, put, del):\nfailure requests (get, put, del):\nSUCCESS\n",
  );
  assert.equal(await refused("txn", { stdin: "bad\n" }), "3 Error: malformed comparison: bad");
  assert.equal(
    await refused("txn", { stdin: "\nput\n" }),
    "3 Error: invalid txn compare request: put",
  );
  assert.equal(
    await refused("txn", { stdin: "\nfly a b\n" }),
    "3 Error: invalid txn request: fly a b",
  );
  assert.equal(await refused("txn", { stdin: 'mod("t") > "0"' }), "3 Error: EOF");
});

test("a lease is granted, shown, renewed and revoked", async () => {
  const id = /^lease ([0-9a-f]{16}) granted with TTL\(100s\)\n$/.exec(
    await printed("lease grant 100"),
  )?.[1];
  assert.ok(id !== undefined);
  await printed(`put leased v --lease=${id}`);
  assert.match(
    await printed(`lease timetolive ${id} --keys`),
    new RegExp(
      `^lease ${id} granted with TTL\\(100s\\), remaining\\(\\d+s\\), attached keys\\(\\[leased\\]\\)\n$`,
    ),
  );
  assert.equal(
    await printed(`lease keep-alive --once ${id}`),
    `lease ${id} keepalived with TTL(100)\n`,
  );
  assert.equal(await printed("lease list"), `found 1 leases\n${id}\n`);
  assert.equal(await printed(`lease revoke ${id}`), `lease ${id} revoked\n`);
  assert.equal(await printed("get leased"), "");
  assert.equal(await printed(`lease timetolive ${id}`), `lease ${id} already expired\n`);
  assert.equal(
    await refused("lease revoke zz"),
    '128 Error: bad lease ID arg (strconv.ParseInt: parsing "zz": invalid syntax), expecting ID in Hex',
  );
});

test("a watch of the past prints it, and ends when its history is gone", async () => {
  await printed("put w 1");
  const { header } = JSON.parse(await printed("put w 2 -w json"));
  await printed(`compaction ${header.revision}`);
  assert.equal(
    await refused("watch w --rev=1"),
    "5 watch was canceled (etcdserver: mvcc: required revision has been compacted)\nError: watch is canceled by the server",
  );
  assert.equal(await refused("watch"), "128 Error: bad number of arguments");
  assert.equal(
    await refused("watch -i", { stdin: "fly\nwatch\n" }),
    "3 Invalid command fly (only support watch)\nInvalid command watch (command type or key is not provided)\nError: error reading watch request line: EOF",
  );
});

test("endpoints tell their health, status and hash", async () => {
  assert.match(
    await printed("endpoint health"),
    /^\S+ is healthy: successfully committed proposal: took = \S+s\n$/,
  );
  assert.match(
    await printed("endpoint status"),
    /^\S+, [0-9a-f]+, 3\.6\.\d+, 3\.6\.0, \d+ kB, \d+ kB, \d+%, 2\.1 GB, true, false, \d+, \d+, \d+, , , false\n$/,
  );
  const fields = (await printed("endpoint status -w fields")).split("\n");
  assert.deepEqual(
    fields.map((line) => line.split(" ")[0]).filter((name) => name?.startsWith('"Raft')),
    ['"RaftTerm"', '"RaftIndex"', '"RaftTerm"', '"RaftAppliedIndex"'],
  );
  assert.match(await printed("endpoint hashkv --cluster"), /^http:\/\/\S+, \d+, \d+\n$/);
  assert.equal(await printed("alarm list"), "");
  assert.match(
    await printed("defrag"),
    /^Finished defragmenting etcd member\[\S+\]\. took \S+s\n$/,
  );
});

test("a snapshot is whole or absent", async () => {
  const path = join(directory, "backup.db");
  assert.equal(
    await printed(["snapshot", "save", path]),
    `Snapshot saved at ${path}\nServer version 3.6.0\n`,
  );
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(path).size % 512, 32);
  const absent = join(directory, "no", "backup.db");
  assert.match(
    await refused(["snapshot", "save", absent]),
    /^5 Error: could not open .*no such file or directory/,
  );
  assert.ok(!existsSync(`${path}.part`));
});

test("a snapshot's path that cannot be a file is named, and nothing is fetched", async () => {
  const folder = join(directory, "folder");
  const inTheWay = join(folder, "busy.db.part");
  mkdirSync(inTheWay, { recursive: true });
  const file = join(directory, "file");
  writeFileSync(file, "");
  for (const [path, reason] of [
    [
      folder,
      `could not rename ${folder}.part to ${folder} (rename ${folder}.part ${folder}: file exists)`,
    ],
    ["", "could not rename .part to  (rename .part : no such file or directory)"],
    [join(file, "x"), `could not open ${file}/x.part (open ${file}/x.part: not a directory)`],
    [join(folder, "busy.db"), `could not open ${inTheWay} (open ${inTheWay}: is a directory)`],
  ] as const) {
    assert.equal(await refused(["snapshot", "save", path]), `5 Error: ${reason}`);
  }
  assert.ok(existsSync(inTheWay));
  assert.ok(!existsSync(`${folder}.part`));
});

test("settings come from the environment, but not from both places", async () => {
  await printed("put env v");
  assert.match(await printed("get env", { env: { ETCDCTL_WRITE_OUT: "json" } }), /^\{"header"/);
  assert.equal((await etcdctl("get env -w json", { env: { ETCDCTL_WRITE_OUT: "json" } })).code, 1);
  assert.equal(
    await printed("get env", { env: { ETCDCTL_API: "3", ETCDCTL_OTHER: "x" } }),
    "env\nv\n",
  );
});

test("what cannot be done is said in etcd's words with etcd's exit codes", async () => {
  const rows: [string | string[], string][] = [
    ["put", "128 Error: put command needs 1 argument and input from stdin or 2 arguments"],
    [["put", "", "v"], "1 Error: etcdserver: key is not provided"],
    ["get a --rev=99999", "1 Error: etcdserver: mvcc: required revision is a future revision"],
    ["get a --consistency=q", '4 Error: unknown consistency flag "q"'],
    ["get a --order=q", "4 Error: bad sort order q"],
    [
      "get a --prefix --from-key",
      "128 Error: `--prefix` and `--from-key` cannot be set at the same time, choose one",
    ],
    ["get a --count-only", "128 Error: --count-only is only for `--write-out=fields`"],
    ["compaction x", '1 Error: strconv.ParseInt: parsing "x": invalid syntax'],
    ["member add n", "128 Error: member peer urls not provided"],
    [
      "member remove zz",
      '128 Error: bad member ID arg (strconv.ParseUint: parsing "zz": invalid syntax), expecting ID in Hex',
    ],
    ["elect a", "128 Error: no proposal argument but -l not set"],
    ["check perf --load=zz", "4 Error: unknown load option zz"],
    ["get a --cert=", "128 Error: empty string is passed to --cert option"],
    [
      "put a b --max-request-bytes=3",
      "1 Error: rpc error: code = ResourceExhausted desc = trying to send message larger than max (6 vs. 3)",
    ],
  ];
  for (const [args, expected] of rows) assert.equal(await refused(args), expected, String(args));
});

test("an endpoint that cannot be reached is told when the time is over", async () => {
  const real = endpoint;
  endpoint = "127.0.0.1:1";
  try {
    assert.equal(
      await refused("get a --command-timeout=100ms"),
      "1 Error: context deadline exceeded",
    );
    assert.equal(
      await refused("endpoint health --command-timeout=100ms"),
      "1 127.0.0.1:1 is unhealthy: failed to commit proposal: context deadline exceeded\nError: unhealthy cluster",
    );
  } finally {
    endpoint = real;
  }
});

test("a snapshot's status and restore, as etcdctl had them before etcdutl", async () => {
  await printed("put old-form x");
  const file = join(directory, "old-form.db");
  const target = join(directory, "restored");
  await printed(["snapshot", "save", file]);
  const json = JSON.parse(await printed(["snapshot", "status", file, "-w", "json"]));
  assert.deepEqual(Object.keys(json), ["hash", "revision", "totalKey", "totalSize"]);
  const table = (await printed(["snapshot", "status", file, "-w", "table"])).split("\n");
  assert.match(table[1] ?? "", /^\| +HASH +\| REVISION \| TOTAL KEYS \| TOTAL SIZE \|$/);
  assert.deepEqual(await etcdctl(["snapshot", "status"]), {
    code: 128,
    out: "",
    err: "Error: snapshot status requires exactly one argument\n",
  });
  assert.equal(await printed(["snapshot", "restore", file, "--data-dir", target]), "");
  assert.ok(existsSync(join(target, "member", "snap", "db")));
  mkdirSync(join(directory, "empty"));
  for (const occupied of [target, join(directory, "empty")]) {
    assert.deepEqual(await etcdctl(["snapshot", "restore", file, "--data-dir", occupied]), {
      code: 1,
      out: "",
      err: `Error: data-dir "${occupied}" exists\n`,
    });
  }
});

test("a range that comes as a stream prints as a range does", async () => {
  for (let i = 0; i < 150; i++) await printed(["put", `stream/${i}`, "x".repeat(i)]);
  for (const options of ["", " --limit=7", " --keys-only", " -w json", " -w fields"]) {
    const line = `get --prefix stream/${options}`;
    assert.equal(await printed(`${line} --stream`), await printed(line), line);
  }
  await printed("get --stream none-such");
  assert.deepEqual(await etcdctl("get --prefix stream/ --stream --order=DESCEND"), {
    code: 1,
    out: "",
    err: "Error: rpc error: code = Unimplemented desc = RangeStream does not support custom sort orders\n",
  });
});

test("du tells what fills the database, exactly where there is little", async () => {
  for (const name of ["du/a/1", "du/a/2", "du/b/c/1", "du/x", "du/\n<b>"]) {
    await printed(["put", name, "x".repeat(94)]);
  }
  assert.equal(
    await printed("du du/ --depth=2"),
    `Keys   Size  Writes  Prefix
   5  501 B       5  du/
   2  200 B       2    du/a/
   2  199 B       2    du/ (keys)
   1  102 B       1    du/b/
   1  102 B       1      du/b/c/
`,
  );
  const tree = JSON.parse(await printed("du du/a/ -w json --depth=0"));
  assert.deepEqual(tree, {
    ...{ kind: "prefix", prefix: Buffer.from("du/a/").toString("base64"), keys: 2 },
    ...{ key_bytes: 12, value_bytes: 188, writes: 2, sampled_keys: 2, children: [] },
  });
  assert.match(await printed("du du/ --depth=0 --separator=|"), /^ {3}5 .* du\/$/m);
  assert.equal((await etcdctl("du a b")).code, 128);
  assert.equal((await etcdctl("du --depth=99")).code, 128);
});

test("top shows what a member does between two looks", async () => {
  const looking = printed("top --once --interval=300ms -w json");
  for (let i = 0; i < 5; i++) await printed(["put", "top", String(i)]);
  const [look] = JSON.parse(await looking);
  assert.equal(look.role, "leader");
  const put = look.rpcs.find(({ method }: { method: string }) => method === "KV/Put");
  assert.ok(put.per_second > 0 && put.failures_per_second === 0, JSON.stringify(look.rpcs));
  assert.ok(look.fsync.p50 > 0, JSON.stringify(look.fsync));
  assert.match(
    await printed("top --once --interval=100ms"),
    /Endpoint .*\n127\.0\.0\.1:\d+ +leader /,
  );
  assert.match(await refused("top --once --interval=1ms"), /^128 .*at least 100ms/);
});

test("--debug tells every setting but no password", async () => {
  const secret = "geheim-4711";
  const settings = async (args: string, env = {}): Promise<string> => {
    const { err } = await etcdctl(`--debug ${args} --command-timeout=200ms get k`, { env });
    assert.ok(!err.includes(secret), err);
    return err;
  };
  assert.match(await settings("--dial-timeout=1s"), /^ETCDCTL_DIAL_TIMEOUT=1s$/m);
  assert.match(await settings("--dial-timeout=1s"), /^ETCDCTL_PASSWORD=$/m);
  const both = await settings(`--user root --password ${secret}`);
  assert.match(both, /^ETCDCTL_PASSWORD=\*\*\*\*$/m);
  assert.match(both, /^ETCDCTL_USER=root$/m);
  assert.match(await settings(`--user root:${secret}`), /^ETCDCTL_USER=root:\*\*\*\*$/m);
  await settings("", { ETCDCTL_USER: `root:${secret}` });
});

test("a variable with a password that nobody knows is named without its value", async () => {
  let err = "";
  const io = { ...quietIo, argv: ["--endpoints", endpoint, "get", "k"] };
  await runTool(
    TABLE,
    { version: "3.6.14", apiVersion: "3.6" },
    {
      ...io,
      env: { ETCDCTL_DEST_PASSWORD: "geheim", ETCDCTL_NOPE: "x" },
      err: (data) => {
        err += String(data);
      },
    },
  );
  assert.match(err, /"ETCDCTL_DEST_PASSWORD=\*\*\*\*"/);
  assert.match(err, /"ETCDCTL_NOPE=x"/);
  assert.ok(!err.includes("geheim"));
});

/** A world that says nothing. */
const quietIo: Io = {
  argv: [],
  env: {},
  out: () => undefined,
  err: () => undefined,
  status: () => undefined,
  clock: new SystemClock({ holdsProcess: true }),
  stdin: {
    isTerminal: false,
    readAll: async () => Buffer.alloc(0),
    readLine: async () => undefined,
  },
};
