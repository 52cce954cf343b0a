/** `snapshot restore` of both tools: its flags, and what becomes of them. */
import type { Invocation } from "../framework/command.ts";
import { ExitCode, exitWithError } from "../framework/exit.ts";
import type { UtilityDeps } from "./deps.ts";
import { onlyArgument, orExit } from "./refusal.ts";
import { restoreSnapshot } from "./snapshot-restore.ts";

/** `mustBeNew`: etcdctl refuses a data directory that exists, even an empty one. */
export async function runRestore(
  call: Invocation,
  deps: UtilityDeps,
  { mustBeNew = false }: { readonly mustBeNew?: boolean } = {},
): Promise<void> {
  const path = onlyArgument(call, "snapshot restore");
  const { flags } = call;
  const bump = flags.int("bump-revision");
  if (bump > 0n !== flags.bool("mark-compacted")) {
    exitWithError(ExitCode.BAD_ARGS, "--mark-compacted required if --revision-bump > 0");
  }
  const name = flags.string("name");
  const given = flags.string("data-dir");
  const options = {
    snapshotPath: path,
    name,
    dataDirectory: given === "" ? `${name}.etcd` : given,
    mustBeNew,
    walDirectory: flags.string("wal-dir"),
    peerURLs: flags.string("initial-advertise-peer-urls"),
    initialCluster: flags.string("initial-cluster"),
    initialClusterToken: flags.string("initial-cluster-token"),
    skipHashCheck: flags.bool("skip-hash-check"),
    bumpRevision: Number(bump),
  };
  await orExit(() => restoreSnapshot(deps, options));
}
