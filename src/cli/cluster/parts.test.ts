/** The launcher's parts that need no process: Procfiles, flags, log lines, the screen, shapes. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { chooseShape, keepShape } from "./cluster-folder.ts";
import { MAX_REQUEST_BYTES, parseReply, parseRequest } from "./control-protocol.ts";
import { LineCutter, MAX_LINE_BYTES } from "./line-cutter.ts";
import { endpointOf, listenAddresses, wordsOf } from "./line-flags.ts";
import { parseLogLine } from "./log-entry.ts";
import { MAX_MEMBERS, MAX_PROCESSES, planMembers, shapeProblem } from "./plan.ts";
import { parseProcfile } from "./procfile.ts";
import { Screen } from "./screen.ts";

const scratch = mkdtempSync(join(tmpdir(), "cluster-parts-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

const GUIDE_LINE =
  "etcd2: etcd --name infra2 --listen-client-urls http://127.0.0.1:22379 --advertise-client-urls http://127.0.0.1:22379 --listen-peer-urls http://127.0.0.1:22380 --initial-advertise-peer-urls http://127.0.0.1:22380 --initial-cluster-token etcd-cluster-1 --initial-cluster 'infra1=http://127.0.0.1:12380,infra2=http://127.0.0.1:22380,infra3=http://127.0.0.1:32380' --initial-cluster-state new --enable-pprof --logger=zap --log-outputs=stderr";

test("a Procfile names processes, where they listen and where they answer", () => {
  const [plan, other, ...more] = parseProcfile(
    `# three members\n\n${GUIDE_LINE}\r\n  web : node server.js "a: b"\n`,
    "Procfile",
  );
  assert.equal(plan?.name, "etcd2");
  assert.deepEqual(plan.command, { kind: "line", line: GUIDE_LINE.slice("etcd2: ".length) });
  assert.equal(plan.endpoint, "http://127.0.0.1:22379");
  assert.deepEqual(plan.addresses, [
    { host: "127.0.0.1", port: 22379 },
    { host: "127.0.0.1", port: 22380 },
  ]);
  assert.deepEqual(other?.command, { kind: "line", line: 'node server.js "a: b"' });
  assert.deepEqual([other.endpoint, other.addresses, more], [undefined, [], []]);
});

test("a Procfile with a mistake is refused with the number of the line", () => {
  const cases: [string, RegExp][] = [
    ["a: x\nnonsense\n", /^Error: P:2: expected "name: command"$/],
    ["a:\n", /^Error: P:1: expected "name: command"$/],
    ["a b: x\n", /^Error: P:1: expected/],
    ["a: x\n\na: y\n", /^Error: P:3: a second process is named a$/],
    ["# nothing\n", /^Error: P: no process is named there$/],
    [`a: ${"x".repeat(70_000)}\n`, /^Error: P:1: more than 65536 characters$/],
    [
      Array.from({ length: MAX_PROCESSES + 1 }, (_, i) => `p${i}: x\n`).join(""),
      /^Error: P:65: more than 64 processes$/,
    ],
  ];
  for (const [text, error] of cases) assert.throws(() => parseProcfile(text, "P"), error);
});

test("addresses are found in every form of a flag, and only real ones", () => {
  const words = wordsOf(
    "ETCD_X=1 etcd -listen-client-urls='http://127.0.0.1:1,https://[::1]:2' --listen-peer-urls " +
      '"http://$HOST:3" --listen-metrics-urls=http://:4 --listen-client-url http://h:5 --name "a b"',
  );
  assert.equal(words.at(-1), "a b");
  assert.deepEqual(listenAddresses(words), [
    { host: "127.0.0.1", port: 1 },
    { host: "::1", port: 2 },
    { host: "", port: 4 },
  ]);
  assert.equal(endpointOf(words), "http://127.0.0.1:1");
  assert.deepEqual(listenAddresses(wordsOf("etcd --listen-peer-urls unix://x --name m")), []);
  assert.deepEqual(listenAddresses(["etcd", "--listen-client-urls"]), []);
  assert.deepEqual(listenAddresses(wordsOf("etcd --listen-client-urls http://localhost:0")), []);
});

test("output is cut into the same lines wherever its chunks end", () => {
  const bytes = Buffer.from("one\r\n\nzwölf 字\nlast");
  for (let at = 0; at <= bytes.length; at++) {
    const cutter = new LineCutter();
    const lines = [...cutter.push(bytes.subarray(0, at)), ...cutter.push(bytes.subarray(at))];
    assert.deepEqual([...lines, cutter.rest()], ["one", "", "zwölf 字", "last"]);
    assert.equal(cutter.rest(), undefined);
  }
});

test("a line without end is shown in pieces", () => {
  const cutter = new LineCutter();
  const lines = cutter.push(Buffer.alloc(2 * MAX_LINE_BYTES + 3, "x"));
  assert.deepEqual(
    lines.map((line) => line.length),
    [MAX_LINE_BYTES, MAX_LINE_BYTES],
  );
  assert.deepEqual([...cutter.push(Buffer.from("y\n")), cutter.rest()], ["xxxy", undefined]);
});

test("a JSON log line becomes level, message and fields", () => {
  const entry = parseLogLine(
    '{"level":"warn","ts":"2026-01-02T03:04:05.678Z","caller":"a/b.go:1","msg":"slow disk","took":"1.5s","path":"/a b","n":3,"urls":["http://x:1"],"lease":7587862094560409479,"empty":""}',
  );
  assert.deepEqual(entry, {
    wallMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
    level: "WARN",
    message: "slow disk",
    fields: [
      "took=1.5s",
      'path="/a b"',
      "n=3",
      'urls=["http://x:1"]',
      "lease=7587862094560409479",
      'empty=""',
    ],
  });
  assert.deepEqual(
    parseLogLine('{"level":"info","msg":"at [ 1234567890123456789 ]"}')?.message,
    "at [ 1234567890123456789 ]",
  );
});

test("what is no log line of etcd stays as it is", () => {
  for (const line of ["", "plain", "{", "{}", '{"msg":1,"level":"info"}', '{"msg":"x"}', "[1]"]) {
    assert.equal(parseLogLine(line), undefined);
  }
});

test("control characters in a log line do not reach the terminal", () => {
  const entry = parseLogLine(
    '{"level":"in\\u001bfo","msg":"\\u001b[2Jx\\u202e","k":"\\u0007\\u009b"}',
  );
  assert.equal(entry?.message, "\\u001b[2Jx\\u202e");
  assert.equal(entry.level, "IN\\u001bFO");
  assert.deepEqual(entry.fields, ["k=\\u0007\\u009b"]);
});

function screenText(options: { hasColours?: boolean; isRaw?: boolean }, show: (s: Screen) => void) {
  let text = "";
  const output = {
    write: (part: string) => {
      text += part;
    },
    drained: () => Promise.resolve(),
  };
  const wallMs = () => new Date(2026, 0, 2, 3, 4, 5, 6).getTime();
  const names = ["a", "etcd-long"];
  show(new Screen({ names, hasColours: false, isRaw: false, wallMs, ...options }, output));
  return text;
}

test("each line stands behind the name of its process, in one column", () => {
  const show = (screen: Screen): void => {
    screen.line("a", '{"level":"info","msg":"hello","k":1}');
    screen.line("etcd-long", "as it is");
    screen.note("a", "ended with status 1");
  };
  assert.equal(
    screenText({}, show),
    "03:04:05.006 a         | INFO  hello  k=1\n" +
      "03:04:05.006 etcd-long | as it is\n" +
      "03:04:05.006 a         | ended with status 1\n",
  );
  assert.equal(
    screenText({ isRaw: true }, show),
    '{"level":"info","msg":"hello","k":1}\nas it is\n',
  );
});

test("processes have colours of their own", () => {
  const text = screenText({ hasColours: true }, (screen) => {
    screen.line("a", "x");
    screen.line("etcd-long", "x");
  });
  const [first = "", second = ""] = text.split("\n").map((line) => line.split("03:")[0]);
  assert.ok(first.startsWith("\u001b[") && second.startsWith("\u001b["), JSON.stringify(text));
  assert.notEqual(first, second);
});

test("three members on the default ports are those of the guides", () => {
  const shape = { size: 3, port: 12_379, portStep: 10_000 };
  assert.equal(shapeProblem(shape), undefined);
  const plans = planMembers(shape, "data", { file: "etcd", args: [], env: {}, isOwn: true }, [
    "--snapshot-count",
    "9",
  ]);
  const second = plans[1];
  assert.ok(second?.command.kind === "program");
  const line = second.command.args.join(" ");
  const guide = GUIDE_LINE.replaceAll("'", "").replace(" --enable-pprof", "").split(" ").slice(2);
  for (const word of guide
    .join(" ")
    .replaceAll("=zap", " zap")
    .replaceAll("=stderr", " stderr")
    .split(" ")) {
    assert.ok(second.command.args.includes(word), `${word} in ${line}`);
  }
  assert.deepEqual(second.command.args.slice(-2), ["--snapshot-count", "9"]);
  assert.deepEqual(
    plans.map(({ name }) => name),
    ["etcd1", "etcd2", "etcd3"],
  );
});

test("shapes that cannot be are refused", () => {
  const shape = { size: 3, port: 20_000, portStep: 10 };
  const cases = [
    [{ ...shape, size: 0 }, /--size must be from 1 to 9, not 0/],
    [{ ...shape, size: MAX_MEMBERS + 1 }, /--size/],
    [{ ...shape, port: 0 }, /--port must be/],
    [{ ...shape, portStep: 1 }, /--port-step must be at least 2/],
    [{ ...shape, size: 9, portStep: 10_000 }, /member 9 would need port 100001/],
  ] as const;
  for (const [wrong, text] of cases) assert.match(shapeProblem(wrong) ?? "", text);
});

test("a folder keeps its cluster's shape", () => {
  const folder = join(scratch, "kept");
  assert.deepEqual(chooseShape(folder, {}), { size: 3, port: 12_379, portStep: 10_000 });
  keepShape(folder, { size: 2, port: 20_000, portStep: 10 });
  assert.deepEqual(chooseShape(folder, {}), { size: 2, port: 20_000, portStep: 10 });
  assert.deepEqual(chooseShape(folder, { size: 2 }).size, 2);
  assert.throws(() => chooseShape(folder, { size: 3 }), /holds a cluster made with --size 2/);
  assert.throws(() => chooseShape(folder, { port: 3 }), /made with --port 20000/);
  for (const wrong of ["", "{", "[]", '{"size":2}', '{"size":-1,"port":1,"portStep":2}', "null"]) {
    writeFileSync(join(folder, "cluster.json"), wrong);
    assert.throws(() => chooseShape(folder, {}), /cluster\.json is damaged/);
  }
  assert.throws(() => chooseShape(scratch, {}), /is not empty and holds no cluster/);
});

test("a folder keeps whether its cluster has TLS; the files of the certificate may change", () => {
  const folder = join(scratch, "secure");
  const shape = { size: 1, port: 20_000, portStep: 10 };
  const files = { kind: "files", certFile: "/a", keyFile: "/b", trustedCaFile: "/c" } as const;
  keepShape(folder, { ...shape, tls: { kind: "auto" } });
  assert.deepEqual(chooseShape(folder, {}).tls, { kind: "auto" });
  keepShape(folder, chooseShape(folder, { tls: files }));
  assert.deepEqual(chooseShape(folder, {}).tls, files);
  const plain = join(scratch, "plain");
  keepShape(plain, shape);
  assert.throws(() => chooseShape(plain, { tls: files }), /holds a cluster made without TLS/);
  writeFileSync(join(plain, "cluster.json"), JSON.stringify({ ...shape, tls: { kind: "files" } }));
  assert.throws(() => chooseShape(plain, {}), /cluster\.json is damaged/);
});

test("only requests and replies are taken for such", () => {
  assert.deepEqual(parseRequest('{"command":"stop","processes":["a"]}'), {
    command: "stop",
    processes: ["a"],
  });
  for (const line of [
    "",
    "1",
    "null",
    "{}",
    '{"command":"rm","processes":[]}',
    '{"command":"stop"}',
    '{"command":"stop","processes":[1]}',
  ]) {
    assert.equal(parseRequest(line), undefined);
    assert.equal(parseReply(line), undefined);
  }
  assert.ok(MAX_REQUEST_BYTES > MAX_PROCESSES * 64);
});
