/** Asking a launcher that is not there, or ends meanwhile. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ask, NoLauncherError } from "./control-client.ts";
import type { ControlRequest } from "./control-protocol.ts";

const scratch = mkdtempSync(join(tmpdir(), "control-client-"));
after(() => rmSync(scratch, { recursive: true, force: true }));
const REPORT: ControlRequest = { command: "report", processes: [] };

test("nobody at the path is no cluster", async () => {
  await assert.rejects(ask(join(scratch, "none"), REPORT), NoLauncherError);
});

// A view of the members asks while its launcher ends; it once showed "read ECONNRESET".
test("a launcher that ends before it answers is told in words, whatever it had read", async () => {
  const path = join(scratch, "ends");
  const server = createServer({ pauseOnConnect: true }, (socket) => socket.destroy());
  server.listen(path).unref();
  await once(server, "listening");
  const long: ControlRequest = { ...REPORT, processes: ["x".repeat(4_000_000)] };
  for (const request of [REPORT, long]) {
    await assert.rejects(ask(path, request), { message: "the launcher ended before it answered" });
  }
  server.close();
});
