/** `--memory-mlock`: the memory of the process stays in RAM, or the start is refused. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { EtcdProcess, freePorts } from "./testing/etcd-process.ts";

const scratch = mkdtempSync(join(tmpdir(), "etcd-lock-"));
after(() => rmSync(scratch, { recursive: true }));

/** VmLck of proc(5), in KiB. */
function lockedKiB(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmLck:\s*(\d+) kB$/m.exec(status)?.[1]);
}

test(
  "memory is locked, or the system's refusal ends the start before anything is made",
  { skip: process.platform === "linux" ? false : "only Linux locks what is touched later" },
  async () => {
    const [clientPort = 0, peerPort = 0] = await freePorts(2);
    const dataDirectory = join(scratch, "data");
    const flags = ["--memory-mlock"];
    const member = new EtcdProcess({ dataDirectory, clientPort, peerPort, flags });
    const isServing = await member.serving().then(
      () => true,
      () => false,
    );
    if (isServing) {
      assert.ok(lockedKiB(member.child.pid) > 0);
      assert.equal(lockedKiB(process.pid), 0, "a process without the setting");
      await member.end("SIGTERM");
      return;
    }
    // Who may lock only a little (RLIMIT_MEMLOCK, without CAP_IPC_LOCK) cannot lock all of it.
    const refusal =
      /cannot lock memory \(--memory-mlock\): (?:cannot allocate memory|operation not permitted)/;
    assert.match(member.log, refusal);
    assert.throws(() => readFileSync(dataDirectory), { code: "ENOENT" });
  },
);
