import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { MemoryLogger } from "../env/testing/memory-logger.ts";
import { sdNotify } from "./sd-notify.ts";
import { isFullPlatform } from "./system-calls.ts";

const canListen = isFullPlatform && spawnSync("python3", ["-c", ""]).status === 0;
/** Node has no unix datagram sockets; Python plays the service manager. */
const LISTENER = `
import socket, sys
name = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("\\0" + name[1:] if name[0] == "@" else name)
print("listening", flush=True)
print(s.recv(100).decode(), flush=True)
`;

for (const kind of ["a file", "an abstract name"]) {
  test(`readiness reaches a socket with ${kind}`, { skip: !canListen }, async () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "notify-"));
    const socket = kind === "a file" ? path.join(directory, "s") : `@test-${process.pid}`;
    const manager = spawn("python3", ["-c", LISTENER, socket]);
    try {
      const lines = createInterface({ input: manager.stdout })[Symbol.asyncIterator]();
      assert.equal((await lines.next()).value, "listening");
      const logger = new MemoryLogger();
      assert.equal(sdNotify("READY=1", logger, socket), true);
      assert.equal((await lines.next()).value, "READY=1");
      assert.deepEqual(logger.lines, []);
    } finally {
      manager.kill();
      fs.rmSync(directory, { recursive: true });
    }
  });
}

test("without a service manager nothing happens", () => {
  const logger = new MemoryLogger();
  assert.equal(sdNotify("READY=1", logger, ""), false);
  assert.deepEqual(logger.lines, []);
});

test("a service manager that is gone is logged, not thrown", () => {
  const logger = new MemoryLogger();
  assert.equal(sdNotify("STOPPING=1", logger, "/nonexistent/socket"), false);
  assert.deepEqual(logger.messages("error"), ["failed to notify systemd for readiness"]);
});
