import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { createLogger, type LoggerOptions, parseLogFormat, parseLogLevel } from "./logger.ts";
import { formatTimestamp, quoteJson } from "./logger-encoder.ts";
import { parseRotationOptions, RotatingFile } from "./logger-rotation.ts";
import { encodeJournal, JournalSink, type LogSink, QueuedSink } from "./logger-sinks.ts";

const AT_MS = Date.UTC(2026, 10, 21, 0, 13, 14, 595) + 0.125;

class MemorySink implements LogSink {
  text = "";
  flushes = 0;
  write(line: string): void {
    this.text += line;
  }
  flushSync(): void {
    this.flushes++;
  }
  close(): void {}
}

function memoryLogger(options: LoggerOptions = {}) {
  const sink = new MemorySink();
  const logger = createLogger({ wallMs: () => AT_MS, sinks: [sink], ...options });
  return { logger, sink };
}

function temporaryDirectory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "etcd-logger-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

test("a JSON line has zap's keys in zap's order", () => {
  const { logger, sink } = memoryLogger();
  logger.child({ name: "raft", caller: "raft/raft.go:12" }).info("became leader", { term: 2 });
  assert.equal(
    sink.text,
    '{"level":"info","ts":"2026-11-21T00:13:14.595125Z","logger":"raft",' +
      '"caller":"raft/raft.go:12","msg":"became leader","term":2}\n',
  );
});

test("a console line has tabs and spaced fields", () => {
  const { logger, sink } = memoryLogger({ format: "console" });
  const child = logger.child({ caller: "a/b.ts:1" });
  child.warn("slow", { took: "1s", list: [1, 2], object: { a: true } });
  child.info("plain");
  assert.equal(
    sink.text,
    '2026-11-21T00:13:14.595125Z\twarn\ta/b.ts:1\tslow\t{"took": "1s", "list": [1, 2], ' +
      '"object": {"a": true}}\n2026-11-21T00:13:14.595125Z\tinfo\ta/b.ts:1\tplain\n',
  );
});

test("the caller is the place of the log call, and errors carry a stack", () => {
  const { logger, sink } = memoryLogger();
  logger.info("here");
  logger.error("there");
  const [info, error] = sink.text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.match(info.caller, /^platform\/logger\.test\.[jt]s:\d+$/);
  assert.equal(info.stacktrace, undefined);
  assert.equal(Object.keys(error).at(-1), "stacktrace");
  assert.match(error.stacktrace, /\n\tplatform\/logger\.test\.[jt]s:\d+/);
});

test("field values of every kind", () => {
  const { logger, sink } = memoryLogger();
  logger.child({ caller: "c" }).info("m", {
    text: 'a"b\\c\n\t\u0001\b\f\u2028é',
    float: 0.25,
    large: 1e21,
    small: 1e-7,
    nan: Number.NaN,
    infinite: Number.POSITIVE_INFINITY,
    id: 17309683238317791069n,
    yes: true,
    nothing: null,
    absent: undefined,
    error: new Error("boom"),
    bytes: Uint8Array.of(1, 2, 3),
    time: new Date(AT_MS),
    map: new Map([["k", 1]]),
    "a-list": ["x", null, ["y"]],
  });
  const fields = sink.text.slice(sink.text.indexOf('"text"'));
  assert.equal(
    fields,
    '"text":"a\\"b\\\\c\\n\\t\\u0001\\u0008\\u000c\u2028é","float":0.25,' +
      '"large":1000000000000000000000,"small":0.0000001,"nan":"NaN","infinite":"+Inf",' +
      '"id":"17309683238317791069","yes":true,"nothing":null,"error":"boom","bytes":"AQID",' +
      '"time":"2026-11-21T00:13:14.595000Z","map":{"k":1},"a-list":["x",null,["y"]]}\n',
  );
});

test("cyclic values are cut instead of recursing without end", () => {
  const { logger, sink } = memoryLogger();
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  logger.info("m", cycle);
  assert.equal(JSON.parse(sink.text).msg, "m");
});

test("secrets never reach the log under their names", () => {
  const { logger, sink } = memoryLogger();
  logger.info("m", {
    password: "canary1",
    nested: { hashed_password: "canary2", Token: "canary3" },
  });
  logger.info("m", { Authorization: "canary4", "auth-token": "simple" });
  assert.ok(!sink.text.includes("canary"));
  assert.ok(sink.text.includes('"password":"<redacted>"'));
  assert.ok(sink.text.includes('"auth-token":"simple"'));
});

test("lone surrogates become U+FFFD, pairs stay", () => {
  assert.equal(quoteJson("a\ud83db"), '"a\ufffdb"');
  assert.equal(quoteJson("\ude00\b"), '"\ufffd\\u0008"');
  assert.equal(quoteJson("\ud83d\ude00"), '"\ud83d\ude00"');
});

test("timestamps carry microseconds and the local zone", () => {
  const script = `import { formatTimestamp } from ${JSON.stringify(new URL("./logger-encoder.ts", import.meta.url).href.replace(/\.ts$/, import.meta.url.endsWith(".js") ? ".js" : ".ts"))};
console.log(formatTimestamp(${AT_MS}));`;
  const run = (zone: string): string =>
    spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      env: { ...process.env, TZ: zone },
      encoding: "utf8",
    }).stdout.trim();
  assert.equal(run("UTC"), "2026-11-21T00:13:14.595125Z");
  assert.equal(run("Asia/Kolkata"), "2026-11-21T05:43:14.595125+0530");
  assert.equal(run("America/New_York"), "2026-11-20T19:13:14.595125-0500");
  assert.match(formatTimestamp(Date.now()), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d{4})$/);
});

test("levels filter, and can be changed for all children", () => {
  const { logger, sink } = memoryLogger({ level: "warn" });
  const child = logger.child({ name: "x" });
  child.info("hidden");
  assert.equal(child.enabled("info"), false);
  logger.setLevel("debug");
  child.debug("shown");
  assert.equal(child.enabled("debug"), true);
  assert.equal(sink.text.split("\n").length, 2);
  assert.equal(parseLogLevel("WARN"), "warn");
  assert.equal(parseLogLevel(""), "info");
  assert.equal(parseLogLevel("panic"), "fatal");
  assert.throws(() => parseLogLevel("loud"), /unrecognized level: "loud"/);
  assert.equal(parseLogFormat(""), "json");
  assert.throws(
    () => parseLogFormat("konsole"),
    /unknown log format: konsole, supported values json, console/,
  );
});

test("a message repeated within a second is sampled: 100, then every 100th", () => {
  let now = AT_MS;
  const { logger, sink } = memoryLogger({ wallMs: () => now });
  const lines = (): number => sink.text.split("\n").length - 1;
  for (let i = 0; i < 350; i++) logger.info("again");
  assert.equal(lines(), 102);
  logger.warn("again");
  logger.info("another");
  assert.equal(lines(), 104);
  now += 1000;
  for (let i = 0; i < 150; i++) logger.info("again");
  assert.equal(lines(), 204);
  now -= 5000;
  for (let i = 0; i < 50; i++) logger.info("again");
  assert.equal(lines(), 254, "a clock that was set back does not silence a message");
});

test("a fatal line is flushed at once", () => {
  const { logger, sink } = memoryLogger();
  logger.fatal("end");
  assert.equal(sink.flushes, 1);
  assert.equal(JSON.parse(sink.text).level, "fatal");
});

test("lines of one turn are one write, and wait for a blocked reader", async () => {
  const writes: string[] = [];
  let room = 3;
  const sink = new QueuedSink(
    {
      write(data) {
        const taken = Math.min(room, data.length);
        room -= taken;
        if (taken > 0) writes.push(Buffer.from(data.subarray(0, taken)).toString());
        return taken;
      },
      close() {},
    },
    { maxBytes: 20, droppedLine: (count) => `dropped ${count}\n` },
  );
  sink.write("first\n");
  sink.write("second\n");
  assert.deepEqual(writes, []);
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  assert.deepEqual(writes, ["fir"]);
  for (const line of ["third\n", "fourth\n", "fifth\n"]) sink.write(line);
  room = 1000;
  sink.flushSync();
  assert.equal(writes.join(""), "first\nsecond\nthird\ndropped 2\n");
  sink.close();
  sink.write("late\n");
  assert.equal(writes.join("").includes("late"), false);
});

test("files get the lines of a process that exits or crashes right after logging", (t) => {
  const directory = temporaryDirectory(t);
  const module = new URL(
    import.meta.url.endsWith(".js") ? "./logger.js" : "./logger.ts",
    import.meta.url,
  ).href;
  for (const ending of ["process.exit(3)", "throw new Error('crash')"]) {
    const path = join(directory, "out.log");
    const script = `import { createLogger } from ${JSON.stringify(module)};
const logger = createLogger({ outputs: ["stderr", ${JSON.stringify(path)}] });
logger.info("one"); logger.info("last"); ${ending};`;
    const result = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
    });
    for (const text of [readFileSync(path, "utf8"), result.stderr]) {
      assert.match(text, /"msg":"one"\}\n\{.*"msg":"last"\}\n/);
    }
    rmSync(path);
  }
});

test("a reader that has stopped reading stderr does not stop the process", async () => {
  const module = new URL(
    import.meta.url.endsWith(".js") ? "./logger.js" : "./logger.ts",
    import.meta.url,
  ).href;
  const script = `import { createLogger } from ${JSON.stringify(module)};
const logger = createLogger({ sampling: false });
const text = "x".repeat(1000);
for (let i = 0; i < 2000; i++) logger.info(text);
setImmediate(() => {
  logger.info("after");
  setImmediate(() => process.stdout.write("alive"));
});`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script]);
  const [output] = await once(child.stdout, "data");
  assert.equal(String(output), "alive");
  // Now the reader wakes up, and gets everything.
  let received = "";
  for await (const chunk of child.stderr) received += chunk;
  assert.equal(received.trim().split("\n").length, 2001);
  assert.match(received, /"msg":"after"\}\n$/);
});

test("bad combinations of outputs are refused in etcd's words", () => {
  const refused: [LoggerOptions, RegExp][] = [
    [{ outputs: ["default", "stderr"] }, /multi logoutput for "default" is not supported yet/],
    [
      { outputs: ["stderr"], rotationJson: "{}" },
      /--log-outputs requires a single file path when --log-rotate-config-json is defined/,
    ],
    [{ outputs: ["/tmp/a", "/tmp/b"], rotationJson: "{}" }, /requires a single file path/],
    [{ outputs: ["/tmp/a"], rotationJson: "{" }, /improperly formatted log rotation config/],
    [{ outputs: ["/tmp/a"], rotationJson: '{"maxsize":"1"}' }, /invalid log rotation config/],
    [
      { outputs: ["systemd/journal", "stderr"] },
      /running with systemd\/journal but other '--log-outputs' values \(\["systemd\/journal" "stderr"\]\)/,
    ],
    [
      { outputs: ["/nowhere/x.log"] },
      /open sink "\/nowhere\/x.log": open \/nowhere\/x.log: no such file or directory/,
    ],
  ];
  for (const [options, message] of refused) assert.throws(() => createLogger(options), message);
});

const KEEP_ALL = { maxSize: 0, maxAge: 0, maxBackups: 0, localTime: false, compress: false };

test("rotation options parse as etcd's default and without regard to case", () => {
  assert.deepEqual(
    parseRotationOptions(
      '{"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}',
    ),
    { ...KEEP_ALL, maxSize: 100 },
  );
  assert.equal(parseRotationOptions('{"MaxBackups": 3}').maxBackups, 3);
});

test("a full log file moves aside between two lines and is named by time", (t) => {
  const directory = temporaryDirectory(t);
  let now = AT_MS;
  const file = new RotatingFile(join(directory, "etcd.log"), KEEP_ALL, {
    wallMs: () => now,
    maxBytes: 12,
  });
  const sink = new QueuedSink(file);
  for (const line of ["line1\n", "line2\n", "line3\n", "line4\n", "line5\n"]) sink.write(line);
  sink.flushSync();
  now += 60_000;
  sink.write("a line longer than the file may be\n");
  sink.close();
  assert.deepEqual(readdirSync(directory), [
    "etcd-2026-11-21T00-13-14.595.log",
    "etcd-2026-11-21T00-13-14.596.log",
    "etcd-2026-11-21T00-14-14.595.log",
    "etcd.log",
  ]);
  const all = readdirSync(directory).map((name) => readFileSync(join(directory, name), "utf8"));
  assert.deepEqual(all, [
    "line1\nline2\n",
    "line3\nline4\n",
    "line5\n",
    "a line longer than the file may be\n",
  ]);
});

test("old log files are removed by number and age, and compressed", async (t) => {
  const directory = temporaryDirectory(t);
  const backup = (stamp: string): string => `etcd-${stamp}.log`;
  for (const stamp of ["2026-11-01T00-00-00.000", "2026-11-19T00-00-00.000"]) {
    writeFileSync(join(directory, backup(stamp)), stamp);
  }
  writeFileSync(join(directory, "etcd-notes.log"), "mine");
  const options = { ...KEEP_ALL, maxAge: 7, maxBackups: 2, compress: true };
  const file = new RotatingFile(join(directory, "etcd.log"), options, {
    wallMs: () => AT_MS,
    maxBytes: 6,
  });
  await file.cleaned();
  assert.deepEqual(readdirSync(directory), [
    `${backup("2026-11-19T00-00-00.000")}.gz`,
    "etcd-notes.log",
    "etcd.log",
  ]);
  const sink = new QueuedSink(file);
  for (const line of ["line1\n", "line2\n", "line3\n"]) sink.write(line);
  sink.close();
  await file.cleaned();
  assert.deepEqual(readdirSync(directory), [
    `${backup("2026-11-21T00-13-14.595")}.gz`,
    `${backup("2026-11-21T00-13-14.596")}.gz`,
    "etcd-notes.log",
    "etcd.log",
  ]);
  const packed = readFileSync(join(directory, `${backup("2026-11-21T00-13-14.596")}.gz`));
  assert.equal(gunzipSync(packed).toString(), "line2\n");
});

test("a log file found at start is continued", (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, "etcd.log");
  writeFileSync(path, "old\n");
  const timing = { wallMs: () => AT_MS, maxBytes: 100 };
  const sink = new QueuedSink(new RotatingFile(path, KEEP_ALL, timing));
  sink.write("new\n");
  sink.close();
  assert.equal(readFileSync(path, "utf8"), "old\nnew\n");
});

test("journal datagrams carry priority, package and identifier; refusals fall back", () => {
  const line = '{"level":"warn","ts":"t","caller":"embed/etcd.go:1","msg":"m"}\n';
  const datagram = Buffer.from(encodeJournal(line, "/usr/bin/etcd"));
  const length = Buffer.alloc(8);
  length.writeUInt32LE(line.length - 1);
  assert.deepEqual(
    datagram,
    Buffer.concat([
      Buffer.from("MESSAGE\n"),
      length,
      Buffer.from(`${line}PRIORITY=4\nPACKAGE=embed\nSYSLOG_IDENTIFIER=etcd\n`),
    ]),
  );
  const fallback = new MemorySink();
  const sink = new JournalSink((d) => (d.length > 140 ? "EMSGSIZE" : 0), "etcd", fallback);
  sink.write(line);
  assert.equal(fallback.text, "");
  sink.write(`${line.trim()}${" ".repeat(100)}\n`);
  assert.ok(fallback.text.startsWith('{"level":"warn"'));
});
