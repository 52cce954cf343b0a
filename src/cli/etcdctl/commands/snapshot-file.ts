/**
 * `etcdctl snapshot status` and `snapshot restore` as they were until 3.5 moved them to etcdutl: the
 * same work on files, with the output and the refusals of 3.4.
 */
import type { UtilityDeps } from "../../etcdutl/deps.ts";
import { requireFile } from "../../etcdutl/member-paths.ts";
import { formatRow, oldStatusRow, outputFormat } from "../../etcdutl/outcome.ts";
import { onlyArgument, orExit } from "../../etcdutl/refusal.ts";
import { runRestore } from "../../etcdutl/restore-command.ts";
import { snapshotStatus } from "../../etcdutl/snapshot-status.ts";
import type { Invocation } from "../../framework/command.ts";
import { ExitCode, exitWithError } from "../../framework/exit.ts";

export async function statusOfFile(call: Invocation, deps: UtilityDeps): Promise<void> {
  const path = onlyArgument(call, "snapshot status");
  const format = outputFormat(call);
  const status = await orExit(async () => {
    requireFile(deps.disk, path);
    if (deps.disk.stat(path)?.isDirectory === true) {
      exitWithError(ExitCode.ERROR, `open ${path}: is a directory`);
    }
    return snapshotStatus(deps, path);
  });
  call.io.out(formatRow(oldStatusRow(status), format));
}

export function restoreFile(call: Invocation, deps: UtilityDeps): Promise<void> {
  return runRestore(call, deps, { mustBeNew: true });
}
