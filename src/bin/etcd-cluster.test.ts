/** The launcher as a person meets it: real processes, real signals, two terminals. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { freePortRow, freePorts } from "../base/testing/free-ports.ts";
import { PATIENCE_MS } from "../base/testing/patience.ts";
import { EtcdClient } from "../client/index.ts";
import { TestAuthority } from "../platform/tls/testing/authority.ts";
import { launcherCommand, LauncherProcess } from "./testing/launcher-process.ts";

const scratch = mkdtempSync(join(tmpdir(), "etcd-launcher-"));
after(() => rmSync(scratch, { recursive: true, force: true }));
const OPTIONS = { timeout: 3 * PATIENCE_MS };
const NODE = JSON.stringify(process.execPath);

/** Logs as etcd does, and says goodbye. With "stubborn" it does not go; with a port it listens. */
const WORKER = `
import { createServer } from "node:net";
const [name, how, port] = process.argv.slice(2);
const log = (msg) => console.log(JSON.stringify({ level: "info", msg, name }));
if (how === "fails") { console.error("no way"); process.exit(3); }
process.on("SIGTERM", () => {
  log("asked to go");
  if (how !== "stubborn") process.exit(0);
});
// Ends with its launcher, whatever happens to that one.
process.stdout.on("error", () => process.exit(0));
setInterval(() => process.stdout.write(" \\n"), 100);
if (port === undefined) log("ready");
else createServer().listen(Number(port), "127.0.0.1", () => log("ready"));
`;

/** A folder with a Procfile and the worker. */
function folderWith(procfile: string): string {
  const folder = mkdtempSync(join(scratch, "f-"));
  writeFileSync(join(folder, "worker.mjs"), WORKER);
  writeFileSync(join(folder, "Procfile"), procfile);
  return folder;
}

function worker(name: string, how = ""): string {
  return `${name}: exec ${NODE} worker.mjs ${name} ${how}\n`;
}

test("the processes of a Procfile run side by side, and Ctrl-C ends all", OPTIONS, async () => {
  const folder = folderWith(worker("first") + worker("second"));
  await using launcher = new LauncherProcess(["-f", "Procfile"], folder);
  await launcher.printed(/^[\d:.]{12} first {3}\| INFO {2}ready {2}name=first$/m);
  await launcher.printed(/^[\d:.]{12} second {2}\| INFO {2}ready {2}name=second$/m);
  assert.equal(await launcher.interrupt(), 0);
  for (const name of ["first", "second"]) {
    assert.match(launcher.text, new RegExp(`${name} +\\| INFO +asked to go`));
    assert.match(launcher.text, new RegExp(`${name} +\\| stopped, ended with status 0`));
  }
});

test("another terminal lists, stops, starts and restarts processes", OPTIONS, async () => {
  const folder = folderWith(worker("first") + worker("second"));
  const run = (...words: string[]) => launcherCommand(["run", ...words], folder);
  assert.match(run("list").err, /no cluster runs as instance default/);
  await using launcher = new LauncherProcess(["-f", "Procfile", "first"], folder);
  await launcher.printed("ready  name=first");
  assert.deepEqual(run("list"), { code: 0, out: "first\nsecond\n", err: "" });
  assert.equal(run("status").out, "*first\n second\n");
  assert.equal(run("start", "second").code, 0);
  await launcher.printed("ready  name=second");
  assert.deepEqual(run("stop", "first"), { code: 0, out: "", err: "" });
  assert.equal(run("status").out, " first\n*second\n");
  assert.equal(run("restart", "second").code, 0);
  await launcher.printed(/second +\| stopped, ended with status 0\n.*second +\| started, process/);
  assert.equal(run("stop-all").code, 0);
  assert.equal(run("status").out, " first\n second\n");
  assert.equal(run("restart-all").code, 0);
  assert.equal(run("status").out, "*first\n*second\n");
  const table = launcherCommand(["status"], folder);
  assert.match(table.out, /\| +first \| running \(\d+\) \|/);
  assert.deepEqual(launcherCommand(["stop"], folder), {
    code: 0,
    out: "stopped first, second\n",
    err: "",
  });
  assert.equal(await launcher.exit(), 0);
});

test("wrong commands to a running cluster are told and change nothing", OPTIONS, async () => {
  const folder = folderWith(worker("first"));
  await using launcher = new LauncherProcess(["-f", "Procfile"], folder);
  await launcher.printed("ready");
  const cases: [string[], RegExp][] = [
    [["run", "stop", "third"], /there is no process third/],
    [["run", "stop"], /run stop needs the name of a process/],
    [["run", "dance"], /unknown command "dance"; there are list, status/],
    [["stop", "first"], /`run stop` stops one process/],
    [["start", "-f", "Procfile"], /a cluster runs already as instance default/],
    [["status", "--instance", "../x"], /--instance must be/],
  ];
  for (const [words, error] of cases) {
    const { code, err } = launcherCommand(words, folder);
    assert.equal(code, 1, words.join(" "));
    assert.match(err, error);
  }
  assert.equal(launcherCommand(["run", "status"], folder).out, "*first\n");
  assert.equal(await launcher.interrupt(), 0);
});

test("a process that ends is shown with its status, and the others go on", OPTIONS, async () => {
  const folder = folderWith(worker("good") + worker("bad", "fails"));
  await using launcher = new LauncherProcess(["-f", "Procfile"], folder);
  await launcher.printed(/bad {5}\| no way\n(?:.*\n)*.*bad {5}\| ended with status 3/);
  await launcher.printed("ready  name=good");
  const { code, out } = launcherCommand(["status"], folder);
  assert.equal(code, 1);
  assert.match(out, /bad \| ended with status 3 \|/);
  assert.match(out, /good \| +running/);
  assert.equal(await launcher.interrupt(), 0);
});

test("when all processes have ended by themselves, the launcher fails", OPTIONS, async () => {
  const folder = folderWith(worker("bad", "fails") + worker("worse", "fails"));
  await using launcher = new LauncherProcess(["-f", "Procfile"], folder);
  assert.equal(await launcher.exit(), 1);
  assert.match(launcher.text, /worse +\| ended with status 3/);
});

test("the children of a shell are stopped with it", OPTIONS, async () => {
  const [port = 0] = await freePorts(1);
  const child = `${NODE} worker.mjs inner listens ${port}`;
  const folder = folderWith(`outer: ${child} & ${NODE} worker.mjs outer\n`);
  await using launcher = new LauncherProcess(["-f", "Procfile"], folder);
  await launcher.printed("ready  name=inner");
  await launcher.printed("ready  name=outer");
  assert.equal(await launcher.interrupt(), 0);
  assert.match(launcher.text, /asked to go {2}name=inner/);
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  server.close();
});

test("a second Ctrl-C kills what does not want to go", OPTIONS, async () => {
  const folder = folderWith(worker("stays", "stubborn"));
  await using launcher = new LauncherProcess(["-f", "Procfile"], folder);
  await launcher.printed("ready");
  launcher.child.kill("SIGINT");
  await launcher.printed("asked to go");
  assert.equal(await launcher.interrupt(), 0);
  assert.match(launcher.text, /stays +\| stopped, ended by SIGKILL/);
});

test("nobody reading the output ends everything", OPTIONS, async () => {
  const folder = folderWith(worker("first"));
  await using launcher = new LauncherProcess(["-f", "Procfile"], folder);
  await launcher.printed("ready");
  launcher.child.stdout?.destroy();
  assert.equal(await launcher.exit(), 0);
});

test("raw output is what the processes wrote", OPTIONS, async () => {
  const folder = folderWith(worker("first"));
  await using launcher = new LauncherProcess(["-f", "Procfile", "--raw"], folder);
  await launcher.printed('{"level":"info","msg":"ready","name":"first"}\n');
  assert.equal(await launcher.interrupt(), 0);
  assert.match(launcher.text, /^(?:\{"level":"info","msg":"[a-z ]+","name":"first"\}\n| \n)+$/);
});

test("ports that are taken are told before anything starts", OPTIONS, async () => {
  const blocker = createServer().listen(0, "127.0.0.1");
  await once(blocker, "listening");
  const address = blocker.address();
  const taken = typeof address === "object" ? (address?.port ?? 0) : 0;
  const [free = 0] = await freePorts(1);
  const folder = folderWith(
    `one: ${NODE} worker.mjs one --listen-client-urls http://127.0.0.1:${taken}\n` +
      `two: ${NODE} worker.mjs two --listen-peer-urls=http://127.0.0.1:${free}\n` +
      `three: ${NODE} worker.mjs three --listen-peer-urls http://127.0.0.1:${free}\n`,
  );
  const { code, out, err } = launcherCommand(["start", "-f", "Procfile"], folder);
  blocker.close();
  assert.equal(code, 1);
  assert.equal(out, "");
  assert.equal(
    err,
    `Error: 127.0.0.1:${taken}, which one wants, is in use\n` +
      `two and three both want 127.0.0.1:${free}\n`,
  );
});

test("a launcher that was killed leaves nothing in the next one's way", OPTIONS, async () => {
  const folder = folderWith(worker("first"));
  await using launcher = new LauncherProcess(["-f", "Procfile"], folder);
  await launcher.printed("ready");
  launcher.child.kill("SIGKILL");
  await launcher.exit();
  await using next = new LauncherProcess(["-f", "Procfile"], folder);
  await next.printed("ready");
  assert.equal(launcherCommand(["run", "status"], folder).out, "*first\n");
  assert.equal(await next.interrupt(), 0);
});

test("rubbish on the control channel is refused and harms nobody", OPTIONS, async () => {
  const folder = folderWith(worker("first"));
  await using launcher = new LauncherProcess(["-f", "Procfile"], folder);
  await launcher.printed("ready");
  const socketFolder = readdirSync(folder).find((name) => name.startsWith("etcd-cluster-")) ?? "";
  for (const rubbish of ["\n", '{"command":"stop"}\n', "x".repeat(200_000), "no line feed"]) {
    const socket = connect(join(folder, socketFolder, "default.sock"));
    let answer = "";
    socket.setEncoding("utf8").on("data", (text: string) => {
      answer += text;
    });
    socket.on("error", () => undefined);
    socket.end(rubbish);
    await once(socket, "close");
    assert.match(answer, /^(?:\{"kind":"refused","reason":"not a request of etcd-cluster"\}\n)?$/);
  }
  assert.equal(launcherCommand(["run", "status"], folder).out, "*first\n");
  assert.equal(await launcher.interrupt(), 0);
});

/** An etcd that only tells how it was called. */
function fakeEtcd(folder: string): string {
  const path = join(folder, "fake-etcd");
  const body = `${WORKER}\nlog("called with " + process.argv.slice(2).join(" "));\n`;
  writeFileSync(
    join(folder, "fake-etcd.mjs"),
    body.replace("const [name, how, port] = process.argv.slice(2)", "let name, how, port"),
  );
  writeFileSync(path, `#!/bin/sh\nexec ${NODE} ${join(folder, "fake-etcd.mjs")} "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}

test(
  "our own form starts so many members of one cluster, and keeps their data",
  OPTIONS,
  async () => {
    const folder = folderWith("");
    const port = await freePortRow(2, 10);
    const ports = ["--port", String(port), "--port-step", "10"];
    const given = ["--size", "2", ...ports, "--binary", fakeEtcd(folder), "--data-dir", "kept"];
    {
      await using launcher = new LauncherProcess([...given, "--", "--snapshot-count", "7"], folder);
      await launcher.printed(/etcd1 .*called with --name infra1 --data-dir .*kept\/infra1\.etcd /);
      await launcher.printed(
        new RegExp(
          `called with --name infra2 .*--initial-cluster infra1=http://127.0.0.1:${port + 1},` +
            `infra2=http://127.0.0.1:${port + 11} .*--snapshot-count 7`,
        ),
      );
      assert.match(
        launcher.text,
        /^cluster: 2 members, data in .*kept \(kept\); Ctrl-C stops them$/m,
      );
      assert.equal(await launcher.interrupt(), 0);
    }
    const other = launcherCommand(["start", "--size", "3", "--data-dir", "kept"], folder);
    assert.equal(other.code, 1);
    assert.match(other.err, /kept holds a cluster made with --size 2/);
    await using again = new LauncherProcess(
      ["--binary", fakeEtcd(folder), "--data-dir", "kept"],
      folder,
    );
    await again.printed(`infra2=http://127.0.0.1:${port + 11} `);
    assert.equal(await again.interrupt(), 0);
  },
);

test("flags that do not go together are refused, and no folder is left", OPTIONS, () => {
  const folder = folderWith(worker("first"));
  const before = readdirSync(folder);
  const cases: [string[], RegExp][] = [
    [["-f", "Procfile", "--size", "3"], /--size is not for Procfiles/],
    [["-f", "Procfile", "--", "--debug"], /behind "--" are not for Procfiles/],
    [["-f", "Nofile"], /cannot read Nofile: ENOENT/],
    [["-f", "Procfile", "second"], /there is no process second/],
    [["--temporary", "--data-dir", "x"], /exclude each other/],
    [["--cert-file", "x"], /--cert-file, --key-file and --trusted-ca-file go together/],
    [["--auto-tls", "--key-file", "x"], /--auto-tls makes certificates/],
    [["-f", "Procfile", "--auto-tls"], /--auto-tls is not for Procfiles/],
    [["--size", "77"], /--size must be from 1 to 9, not 77/],
    [["--color", "pink"], /--color must be one of auto, always, never/],
    [["--temporary", "etcd9"], /there is no process etcd9/],
  ];
  for (const [words, error] of cases) {
    const { code, err } = launcherCommand(["start", ...words], folder);
    assert.equal(code, 1, words.join(" "));
    assert.match(err, error);
  }
  assert.deepEqual(readdirSync(folder), before);
});

test("a binary that is not there is told for each member", OPTIONS, async () => {
  const folder = folderWith("");
  const port = String(await freePortRow(2, 10));
  const { code, out } = launcherCommand(
    [
      "start",
      "--temporary",
      "--size",
      "2",
      "--port",
      port,
      "--port-step",
      "10",
      "--binary",
      "no-etcd",
    ],
    folder,
  );
  assert.equal(code, 1);
  assert.match(out, /etcd2 +\| could not be started: spawn no-etcd ENOENT/);
});

test(
  "a member of this installation serves; temporary data is gone afterwards",
  OPTIONS,
  async () => {
    const folder = folderWith("");
    const port = await freePortRow(1, 10);
    await using launcher = new LauncherProcess(
      ["--temporary", "--size", "1", "--port", String(port)],
      folder,
    );
    await launcher.printed("INFO  serving client traffic insecurely");
    const data = /data in (\S+) \(removed at the end\)/.exec(launcher.text)?.[1] ?? "";
    assert.ok(existsSync(join(data, "infra1.etcd")));
    await using client = new EtcdClient({ endpoints: `http://127.0.0.1:${port}` });
    await client.kv.put("greeting", "hello");
    const { code, out } = launcherCommand(["status"], folder);
    assert.equal(code, 0, out);
    assert.match(
      out,
      /\| +etcd1 \| running \(\d+\) \| http:\/\/127\.0\.0\.1:\d+ \| [0-9a-f]+ \| +3\.\d/,
    );
    assert.equal(await launcher.interrupt(), 0);
    assert.equal(existsSync(data), false);
  },
);

test(
  "--auto-tls makes https members, which are asked and stopped like others",
  OPTIONS,
  async () => {
    const folder = folderWith("");
    const port = await freePortRow(3, 10);
    const given = ["--temporary", "--auto-tls", "--port", String(port), "--port-step", "10"];
    await using launcher = new LauncherProcess(given, folder);
    for (const name of ["etcd1", "etcd2", "etcd3"]) {
      await launcher.printed(new RegExp(`${name} +\\| INFO +serving client traffic securely`));
    }
    const url = `https://127.0.0.1:${port}`;
    const help = `etcdctl --endpoints=${url},.* --insecure-skip-tls-verify member list`;
    assert.match(launcher.text, new RegExp(help));
    await using client = new EtcdClient({ endpoints: url, tls: { insecureSkipVerify: true } });
    await client.kv.put("greeting", "hello");
    const { members } = await client.cluster.memberList();
    assert.ok(members.every(({ peerURLs }) => peerURLs[0]?.startsWith("https://")));
    const { code, out } = launcherCommand(["status"], folder);
    assert.equal(code, 0, out);
    assert.match(out, /etcd3 \| running \(\d+\) \| https:/);
    assert.equal(await launcher.interrupt(), 0);
    const elected = launcher.text.matchAll(/(etcd\d) +\| INFO +\w+ became leader/g);
    const leader = [...elected].at(-1)?.[1];
    const ended = [...launcher.text.matchAll(/(etcd\d) +\| stopped, ended/g)].map(
      ([, name]) => name,
    );
    assert.equal(ended[2], leader);
  },
);

test("members share a certificate that is given", OPTIONS, async () => {
  const folder = folderWith("");
  const authority = new TestAuthority();
  const { cert, key } = authority.issue();
  const files = { "ca.crt": authority.cert, "all.crt": cert, "all.key": key };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  const port = await freePortRow(2, 10);
  const given = ["--size", "2", "--port", String(port), "--port-step", "10"];
  const flags = ["--cert-file=all.crt", "--key-file=all.key", "--trusted-ca-file=ca.crt"];
  await using launcher = new LauncherProcess([...given, ...flags], folder);
  await launcher.printed("serving client traffic securely");
  assert.match(launcher.text, new RegExp(`--cacert=${join(folder, "ca.crt")} member list`));
  const endpoints = `https://127.0.0.1:${port}`;
  await using client = new EtcdClient({ endpoints, tls: { ca: authority.cert } });
  await client.kv.put("greeting", "hello");
  assert.equal(await launcher.interrupt(), 0);
});

test("the leader stops last, so that nobody hands leadership over", OPTIONS, async () => {
  const folder = folderWith("");
  const port = String(await freePortRow(3, 10));
  const ports = ["--port", port, "--port-step", "10"];
  await using launcher = new LauncherProcess(["--temporary", "--size", "3", ...ports], folder);
  for (const name of ["etcd1", "etcd2", "etcd3"]) {
    await launcher.printed(new RegExp(`${name} +\\| INFO +ready to serve client requests`));
  }
  assert.equal(await launcher.interrupt(), 0);
  const elected = launcher.text.matchAll(/(etcd\d) +\| INFO +\w+ became leader/g);
  const leader = [...elected].at(-1)?.[1];
  assert.ok(leader !== undefined);
  const ended = [...launcher.text.matchAll(/(etcd\d) +\| stopped, ended/g)].map(([, name]) => name);
  assert.equal(ended.length, 3);
  assert.equal(ended[2], leader);
  assert.ok(!launcher.text.includes("leadership transfer starting"));
});
