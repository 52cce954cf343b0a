/** Foreign HTTP tools against the transport: curl, nghttp and h2load, each skipped by name if absent. */
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { HttpHandler } from "../src/env/http.ts";
import { type Listener, listen } from "../src/transport/listener.ts";
import {
  ECHO_METHODS,
  EchoService,
  SILENT_LOGGER,
  SystemClock,
} from "../src/transport/testing/echo-service.ts";
import { GRPC_HEAD, message } from "../src/transport/testing/raw-frames.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const open: Listener[] = [];
const directory = mkdtempSync(join(tmpdir(), "etcd-ts-tools-"));
after(async () => {
  rmSync(directory, { recursive: true });
  for (const listener of open) await listener.stop(0);
});

const handler: HttpHandler = {
  handle(request, response) {
    request.readBody(10_000_000).then(
      (body) => {
        response.head(200, { "content-type": "text/plain" });
        response.end(`${request.method} ${request.path}?${request.query} ${body.length}\n`);
      },
      () => {},
    );
  },
};

async function serve(): Promise<string> {
  const listener = await listen(
    { host: "127.0.0.1", port: 0 },
    {
      service: new EchoService(),
      http: handler,
      methods: ECHO_METHODS,
      clock: new SystemClock(),
      logger: SILENT_LOGGER,
    },
  );
  open.push(listener);
  if (!("port" in listener.address)) throw new Error("not bound to a port");
  return `http://127.0.0.1:${listener.address.port}`;
}

function run(tool: string, args: readonly string[]): Promise<{ code: number; text: string }> {
  return new Promise((resolve) => {
    execFile(
      tool,
      args,
      { timeout: PATIENCE_MS, maxBuffer: 50_000_000 },
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : 1, text: stdout + stderr });
      },
    );
  });
}

const missing = (tool: string): string | false =>
  spawnSync(tool, ["--version"]).error === undefined ? false : `${tool} is not installed`;

function bodyFile(bytes: number): string {
  const file = join(directory, `body-${bytes}`);
  writeFileSync(file, Buffer.alloc(bytes, "x"));
  return file;
}

for (const [name, flags] of [
  ["HTTP/1.1", []],
  ["HTTP/2 with prior knowledge", ["--http2-prior-knowledge"]],
  ["HTTP/1.1 that offers an upgrade to h2c", ["--http2"]],
] as const) {
  test(`curl over ${name}: GET, POST, a large body, HEAD`, { skip: missing("curl") }, async () => {
    const url = await serve();
    const curl = (...args: string[]) => run("curl", ["-sS", ...flags, ...args]);
    assert.equal((await curl(`${url}/a?b=c`)).text, "GET /a?b=c 0\n");
    assert.equal((await curl("-d", "hello", `${url}/a`)).text, "POST /a? 5\n");
    const large = `@${bodyFile(5_000_000)}`;
    assert.equal((await curl("--data-binary", large, `${url}/l`)).text, "POST /l? 5000000\n");
    assert.match((await curl("-I", `${url}/a`)).text, /^HTTP\/(1\.1|2) 200/);
  });
}

test("curl makes a gRPC call by hand", { skip: missing("curl") }, async () => {
  const url = await serve();
  const file = bodyFile(0);
  writeFileSync(file, message("hello"));
  const { text } = await run("curl", [
    "-sS",
    "-i",
    "--http2-prior-knowledge",
    "-H",
    `content-type: ${GRPC_HEAD["content-type"]}`,
    "--data-binary",
    `@${file}`,
    `${url}/test.Echo/Echo`,
  ]);
  assert.match(text, /^HTTP\/2 200/);
  assert.match(text, /content-type: application\/grpc\r\n/);
  assert.match(text, /hello/);
  assert.match(text, /grpc-status: 0/);
});

test(
  "nghttp with trailers, padding, priority and CONTINUATION",
  {
    skip: missing("nghttp"),
  },
  async () => {
    const url = await serve();
    const file = bodyFile(200_000);
    const { text } = await run("nghttp", [
      "-v",
      "-d",
      file,
      "--trailer=x-check: yes",
      "-b",
      "100",
      "--continuation",
      "-w",
      "10",
      "-m",
      "5",
      `${url}/n`,
    ]);
    assert.equal(text.match(/:status: 200/g)?.length, 5);
    assert.match(text, /POST \/n\? 200000/);
    assert.doesNotMatch(text, /RST_STREAM frame|error_code=(?!NO_ERROR)/);
  },
);

test("h2load completes every request, small and large", { skip: missing("h2load") }, async () => {
  const url = await serve();
  const small = await run("h2load", ["-n", "5000", "-c", "20", "-m", "50", `${url}/s`]);
  assert.match(small.text, /5000 succeeded, 0 failed, 0 errored, 0 timeout/);
  const args = ["-n", "100", "-c", "5", "-m", "10", "-d", bodyFile(300_000), `${url}/l`];
  const large = await run("h2load", args);
  assert.match(large.text, /100 succeeded, 0 failed, 0 errored, 0 timeout/);
});
