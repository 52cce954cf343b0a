/** Rewriting a stopped member's log for a new cluster is not offered; snapshots replace it. */
import type { Action } from "./actions.ts";
import { V2Exit } from "./session.ts";

export const backup: Action = async (session) =>
  session.fail(
    V2Exit.BAD_ARGS,
    "backup is not supported; use `ETCDCTL_API=3 etcdctl snapshot save` and `etcdutl snapshot restore`",
  );
