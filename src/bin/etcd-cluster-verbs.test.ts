/**
 * What `etcd-cluster run` does to the members of a running cluster, with real processes: pause,
 * kill, partition, slowness; and what it shows of them.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { launcherCommand, LauncherProcess } from "./testing/launcher-process.ts";
import { freePortRow } from "../base/testing/free-ports.ts";
import { PATIENCE_MS } from "../base/testing/patience.ts";

const scratch = mkdtempSync(join(tmpdir(), "etcd-cluster-verbs-"));
after(() => rmSync(scratch, { recursive: true, force: true }));
const OPTIONS = { timeout: 3 * PATIENCE_MS, skip: process.platform === "win32" };

test("members are cut off, slowed, paused and killed, and the view tells it", OPTIONS, async () => {
  const folder = mkdtempSync(join(scratch, "f-"));
  const run = (...words: string[]) => launcherCommand(["run", ...words], folder);
  const done = (...words: string[]) =>
    assert.deepEqual(run(...words), { code: 0, out: "", err: "" });
  const refused = (reason: RegExp, ...words: string[]) => {
    const { code, err } = run(...words);
    assert.equal(code, 1, words.join(" "));
    assert.match(err, reason);
  };
  const port = await freePortRow(3, 7);
  const given = ["--temporary", "--port", String(port), "--port-step", "7"];
  await using launcher = new LauncherProcess(given, folder);
  await launcher.printed(/etcd1 +\| INFO +ready to serve/);
  await launcher.printed(/etcd2 +\| INFO +ready to serve/);
  await launcher.printed(/etcd3 +\| INFO +ready to serve/);
  await using watch = new LauncherProcess(["--watch"], folder, ["run", "status"]);
  await watch.printed(
    /\| +etcd\d \| running \(\d+\) \| +leader \| +\d+ \| +etcd\d \| +1 \| +\d+ \|/,
  );

  assert.match(run("load", "on").out, /^linearizable reads: /);
  // The leader alone on its side hears nothing, and steps down; the others elect another one.
  const leader = /\| +(etcd\d) \|[^|]+\| +leader \|/.exec(watch.text)?.[1] ?? "";
  const others = ["etcd1", "etcd2", "etcd3"].filter((name) => name !== leader);
  done("partition", leader);
  const newLeader = new RegExp(
    `\\| +(${others.join("|")}) \\|[^|]+\\| +leader \\| +\\d+ \\|[^|]+(\\|[^|]+){4}\\| +cut off from ${leader} \\|`,
  );
  await watch.printed(newLeader);
  await watch.printed(
    new RegExp(`${leader} \\|[^|]+\\| +pre-candidate .*cut off from ${others.join(", ")} \\|`),
  );
  const second = newLeader.exec(watch.text)?.[1] ?? "";
  // Only the newest events are shown.
  const { out } = run("timeline");
  assert.match(out, new RegExp(`falls apart: ${leader} on one side\n`));
  assert.match(out, new RegExp(`${second} +\\| term \\d+: stands for election\n`));
  assert.match(out, new RegExp(`${leader} +\\| asks for a promise.* \\(lost on the way\\)\n`));
  done("heal");
  await watch.printed(
    new RegExp(
      `\\| +${leader} \\|[^|]+\\| +follower \\|[^|]+\\| +(${others.join("|")}) \\|.*\\| + \\|\n`,
    ),
  );

  const third = others.find((name) => name !== second) ?? "";
  done("slow", third, "40");
  await watch.printed(new RegExp(`${third} \\|.* 40 ms late \\|`));
  done("pause", third);
  await watch.printed(new RegExp(`${third} \\| +paused \\(`));
  refused(/is paused; `etcd-cluster run resume/, "start", third);
  done("resume", third);
  done("kill", second);
  await watch.printed(new RegExp(`${second} \\| +killed \\|`));
  refused(/does not run; `etcd-cluster run start/, "pause", second);
  done("start", second);
  await watch.printed(new RegExp(`killed[^]*${second} \\|[^|]+\\| +follower \\|`));

  refused(/members on both sides/, "partition", ...others, leader);
  refused(/up to 10000 milliseconds/, "slow", third, "20000");
  refused(/takes no name/, "heal", third);
  assert.match(
    run("load").out,
    /^linearizable reads: [1-9]\d* calls.*\n(?:last.*\n)?verdict: linearizable\n$/,
  );
  refused(/run load takes on, stale or off/, "load", "fast");
  assert.match(run("load", "off").out, /no load runs/);
  assert.match(run("logs", second).out, / \| killed\n(?:.*\n)*.*\| started, process \d+\n/);
  assert.equal(await launcher.interrupt(), 0);
  // Its last question may have been under way.
  await watch.printed(/no cluster runs|the launcher ended before it answered/);
});

test(
  "a member of another program tells nothing, and only its process is touched",
  OPTIONS,
  async () => {
    const folder = mkdtempSync(join(scratch, "f-"));
    const port = String(await freePortRow(3, 7));
    const program = join(folder, "no-etcd");
    writeFileSync(program, "#!/bin/sh\necho waits\nexec sleep 60\n", { mode: 0o755 });
    await using launcher = new LauncherProcess(
      ["--temporary", "--size", "2", "--port", port, "--port-step", "7", "--binary", program],
      folder,
    );
    await launcher.printed(/etcd2 +\| waits/);
    const run = (...words: string[]) => launcherCommand(["run", ...words], folder);
    assert.match(run("partition", "etcd1").err, /etcd1 has told nothing of itself.*--binary/);
    assert.equal(run("pause", "etcd1").code, 0);
    assert.equal(run("kill", "etcd1").code, 0);
    assert.match(run("logs", "etcd1").out, /\| paused\n(?:.*\n)*.*\| killed\n/);
    assert.equal(await launcher.interrupt(), 0);
  },
);
