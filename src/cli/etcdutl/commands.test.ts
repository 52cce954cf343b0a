import assert from "node:assert/strict";
import { test } from "node:test";
import { User } from "../../api/gen/auth.ts";
import { AUTH_BUCKET, AUTH_USERS_BUCKET, openBackend } from "../../backend/index.ts";
import { SystemClock } from "../../env/system-clock.ts";
import type { Io } from "../framework/io.ts";
import { runTool } from "../framework/run-tool.ts";
import { etcdutlTable } from "./command-table.ts";
import {
  DATA_DIR,
  type Fixture,
  SNAPSHOT,
  withDataDirectory,
  writeFile,
  readFile,
} from "./testing/fixture.ts";

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run({ deps }: Pick<Fixture, "deps">, ...argv: string[]): Promise<Run> {
  let out = "";
  let err = "";
  const io: Io = {
    argv,
    env: {},
    out: (data) => {
      out += String(data);
    },
    err: (data) => {
      err += String(data);
    },
    status: () => undefined,
    clock: new SystemClock({ holdsProcess: true }),
    stdin: {
      isTerminal: false,
      readLine: async () => undefined,
      readAll: async () => Buffer.alloc(0),
    },
  };
  const about = { version: "3.6.14", apiVersion: "3.6", helpLayout: "plain" } as const;
  const code = await runTool(
    etcdutlTable(async () => deps),
    about,
    io,
  );
  return { code, out, err };
}

const DB = `${DATA_DIR}/member/snap/db`;

test("status and hashkv print in every format", async () => {
  const world = await withDataDirectory();
  const simple = (await run(world, "snapshot", "status", SNAPSHOT)).out;
  const hash = /^([0-9a-f]+), 60, 10, \d+ kB, \n$/.exec(simple)?.[1] ?? "";
  const json = JSON.parse((await run(world, "-w", "json", "snapshot", "status", SNAPSHOT)).out);
  assert.deepEqual(
    [json.hash.toString(16), json.revision, json.totalKey, json.version],
    [hash, 60, 10, ""],
  );
  const fields = (await run(world, "snapshot", "status", SNAPSHOT, "-wfields")).out;
  assert.match(
    fields,
    /^"Hash" : \d+\n"Revision" : 60\n"Keys" : 10\n"Size" : \d+\n"Version" : \n$/,
  );
  const table = (await run(world, "hashkv", DB, "--write-out=table")).out;
  assert.match(table, /\| +HASH +\| HASH REVISION \| COMPACT REVISION \|/);
  assert.deepEqual(await run(world, "hashkv", DB, "-w", "protobuf"), {
    code: 4,
    out: "",
    err: "Error: protobuf not supported as output format\n",
  });
});

test("mistakes have etcd's words and exit codes", async () => {
  const world = await withDataDirectory();
  const cases: [string[], number, string][] = [
    [["snapshot", "status"], 128, "Error: snapshot status requires exactly one argument\n"],
    [["snapshot", "restore"], 128, "Error: snapshot restore requires exactly one argument\n"],
    [
      ["snapshot", "restore", SNAPSHOT, "--mark-compacted"],
      128,
      "Error: --mark-compacted required if --revision-bump > 0\n",
    ],
    [["snapshot", "status", "/x"], 1, "Error: stat /x: no such file or directory\n"],
    [["-w", "x", "snapshot", "status", SNAPSHOT], 4, "Error: unsupported output format\n"],
    [
      ["defrag", "--data-dir", "/x"],
      1,
      "Error: Failed to defragment etcd data[/x] (stat /x/member/snap/db: no such file or directory)\n",
    ],
    [
      ["migrate", "--data-dir", "/x", "--target-version", "3"],
      128,
      'Error: wrong target version format, expected "X.Y", got "3"\n',
    ],
    [
      ["migrate", "--data-dir", "/x", "--target-version", "3.4"],
      128,
      'Error: target version "3.4" not supported. Minimal "3.5"\n',
    ],
    [["hashkv", DB, "--rev", "61"], 1, "Error: mvcc: required revision is a future revision\n"],
    [["verify"], 128, "Error: verify takes a snapshot file, or --data-dir of a member\n"],
    [["dump", "wal", "/x"], 1, "Error: stat /x: no such file or directory\n"],
  ];
  for (const [argv, code, err] of cases) {
    assert.deepEqual(await run(world, ...argv), { code, out: "", err }, argv.join(" "));
  }
  const { code, err } = await run(world, "defrag");
  assert.equal(code, 1);
  assert.match(err, /^Error: required flag\(s\) "data-dir" not set\nUsage:\n {2}etcdutl defrag/);
  assert.match(err, /\n\nError: required flag\(s\) "data-dir" not set\n$/);
});

test("verify prints what it found and ends with 1 when something is damaged", async () => {
  const world = await withDataDirectory();
  const sound = await run(world, "verify", "--data-dir", DATA_DIR);
  assert.equal(sound.code, 0);
  assert.match(sound.out, /\nsound\n$/);
  const content = readFile(world.disk, SNAPSHOT);
  content[9000] = (content[9000] ?? 0) ^ 1;
  writeFile(world.disk, SNAPSHOT, content);
  const damaged = await run(world, "verify", SNAPSHOT);
  assert.equal(damaged.code, 1);
  assert.match(damaged.out, /\nDAMAGE \/s\.db: expected sha256 [\s\S]*\ndamaged: \d+ problems?\n$/);
  const json = await run(world, "verify", SNAPSHOT, "-w", "json");
  const { sound: isSound, problems } = JSON.parse(json.out);
  assert.equal(isSound, false);
  assert.equal(problems[0].file, SNAPSHOT);
});

test("dump shows the log and the db, filtered and limited", async () => {
  const world = await withDataDirectory();
  const log = (await run(world, "dump", "wal", DATA_DIR)).out;
  assert.deepEqual(
    log.split("\n").map((line) => line.split("\t")[1]),
    [
      undefined,
      "crc",
      "metadata",
      "snapshot",
      "crc",
      "entry",
      "state",
      "crc",
      "snapshot",
      undefined,
    ],
  );
  assert.match(log, /\tindex=1 term=1 ConfChangeAddNode member=8e9e05c52164694d \{"id":/);
  const some = (await run(world, "dump", "wal", DATA_DIR, "--limit", "2")).out;
  assert.equal(some, log.split("\n").slice(0, 2).join("\n").concat("\n"));
  const entries = (await run(world, "dump", "wal", DATA_DIR, "--kind", "entry", "--from", "2")).out;
  assert.match(entries, /^# [^\n]*\n$/);
  const puts = (await run(world, "dump", "db", DB, "--bucket=key", "--prefix=leased")).out;
  assert.match(
    puts,
    /^key\t20\/\d\tput\tkey="leased" create_revision=10 mod_revision=20 version=2/,
  );
  assert.match(puts, / value="x" lease=4d\n/);
  const limited = (await run(world, "dump", "db", SNAPSHOT, "--limit", "3")).out;
  assert.equal(limited.split("\n").length, 4);
  const range = (await run(world, "dump", "db", DB, "--bucket=key", "--from=58", "--to=59")).out;
  assert.deepEqual(
    range.split("\n").map((line) => line.split("\t")[1]),
    ["58/0", "59/0", undefined],
  );
  const { err } = await run(world, "dump", "db", DB, "--bucket=nope");
  assert.match(err, /^Error: there is no bucket "nope"; there are alarm, auth, /);
});

test("dump shows users, roles and whether they count; hashes only when asked for", async () => {
  const world = await withDataDirectory();
  const db = await openBackend(world.deps, DB, { mustExist: true });
  const hash = "$2a$10$JapU98JuFQStidHjW0JJyOmagAPvwKmU20vPeWWfktWbDUc42Oknm";
  const name = Buffer.from("ann");
  const user = User.create({ name, password: Buffer.from(hash), roles: ["reader"] });
  db.put(AUTH_USERS_BUCKET, name, User.encode(user));
  db.put(AUTH_USERS_BUCKET, Buffer.from("bob"), Buffer.from(`\xff${hash}`));
  db.put(AUTH_BUCKET, Buffer.from("authEnabled"), Uint8Array.of(1));
  db.put(AUTH_BUCKET, Buffer.from("authRevision"), Uint8Array.of(0, 0, 0, 0, 0, 0, 1, 2));
  await db.close();
  const dump = async (...more: string[]): Promise<string> =>
    (await run(world, "dump", "db", DB, "--bucket=auth,authUsers", ...more)).out;
  const plain = await dump();
  assert.match(plain, /^auth\tauthEnabled\ttrue\nauth\tauthRevision\t258\n/);
  assert.match(plain, /authUsers\t"ann"\tname="ann" password=\(not shown\) roles="reader"\n/);
  assert.match(plain, /authUsers\t"bob"\t\(not shown\)\tcannot be decoded: /);
  assert.ok(!plain.includes("JapU98Ju"));
  const shown = await dump("--show-hashes");
  assert.ok(shown.includes(`password="${hash}"`), shown);
});

test("migrating writes and removes the layout's version, and refuses what it does not know", async () => {
  const world = await withDataDirectory();
  const migrate = (target: string, ...more: string[]): Promise<Run> =>
    run(world, "migrate", "--data-dir", DATA_DIR, "--target-version", target, ...more);
  const version = async (): Promise<string | undefined> =>
    /meta\tstorageVersion\t(.*)/.exec(
      (await run(world, "dump", "db", DB, "--bucket=meta")).out,
    )?.[1];
  assert.equal(await version(), undefined);
  assert.equal((await migrate("3.6")).code, 0);
  assert.equal(await version(), "3.6.0");
  assert.equal((await migrate("3.6")).code, 0);
  assert.deepEqual(await migrate("3.7"), {
    code: 1,
    out: "",
    err: 'Error: cannot create migration plan: version "3.7.0" is not supported\n',
  });
  assert.deepEqual(await migrate("4.0"), {
    code: 1,
    out: "",
    err: "Error: cannot create migration plan: changing major storage version is not supported\n",
  });
  assert.equal(await version(), "3.6.0");
  assert.equal((await migrate("3.7", "--force")).code, 0);
  assert.equal(await version(), "3.7.0");
  for (const [target, step] of [
    ["3.6", "3.7.0"],
    ["3.8", "3.8.0"],
  ] as const) {
    const { err } = await migrate(target);
    assert.equal(err, `Error: cannot create migration plan: version "${step}" is not supported\n`);
  }
  assert.equal((await migrate("3.5", "--force")).code, 0);
  assert.equal(await version(), undefined);
});

test("defragmenting keeps the content", async () => {
  const world = await withDataDirectory();
  const before = await run(world, "hashkv", DB);
  assert.deepEqual(await run(world, "defrag", "--data-dir", DATA_DIR), {
    code: 0,
    out: "",
    err: "",
  });
  assert.deepEqual(await run(world, "hashkv", DB), before);
  assert.equal((await run(world, "verify", "--data-dir", DATA_DIR)).code, 0);
});

test("backup and check v2store take their flags, and name a damaged log", async () => {
  const world = await withDataDirectory();
  const made = await run(world, "backup", "--data-dir", DATA_DIR, "--backup-dir", "/b");
  assert.deepEqual(made, { code: 0, out: "", err: "" });
  assert.equal((await run(world, "verify", "--data-dir", "/b")).code, 0);
  const check = (): Promise<Run> => run(world, "check", "v2store", "--data-dir", DATA_DIR);
  assert.deepEqual(await check(), {
    code: 0,
    out: "No custom content found in both v2store and WAL records.\n",
    err: "",
  });
  const segment = `${DATA_DIR}/member/wal/0000000000000000-0000000000000000.wal`;
  const content = readFile(world.disk, segment);
  content[100] = (content[100] ?? 0) ^ 1;
  writeFile(world.disk, segment, content);
  for (const ended of [
    await check(),
    await run(world, "backup", "--data-dir", DATA_DIR, "--backup-dir", "/c"),
  ]) {
    assert.equal(ended.code, 1);
    assert.match(ended.err, /^Error: .*: in file .*\.wal. at position: 96\n$/);
  }
  const { code, err } = await run(world, "backup", "--data-dir", "/x", "--backup-dir", "/d");
  assert.deepEqual([code, err], [1, "Error: stat /x/member/snap/db: no such file or directory\n"]);
});
