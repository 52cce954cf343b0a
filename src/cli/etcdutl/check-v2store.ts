/** Looks for what users of the v2 API have put into a member: etcd 3.6 does not start on it. */
import { SnapshotFiles } from "../../snap/index.ts";
import { readLog, validSnapshotEntries, WalError } from "../../wal/index.ts";
import { isOwnRequest } from "../../v2store/index.ts";
import { type UtilityDeps, UtilityError } from "./deps.ts";
import { memberPaths } from "./member-paths.ts";
import { contentOf } from "./entry-content.ts";
import { hasUserContent } from "./v2-store.ts";

/** Throws `UtilityError` when there is something, or `WalError` when the log cannot be read. */
export function checkV2Store(deps: UtilityDeps, dataDirectory: string, walDirectory: string): void {
  const { snap, wal } = memberPaths(deps.disk, dataDirectory, walDirectory);
  let inTree = false;
  let inLog = false;
  try {
    const points = validSnapshotEntries(deps, wal);
    const snapshot =
      deps.disk.stat(snap) === undefined
        ? undefined
        : new SnapshotFiles(deps, snap).loadNewest(points);
    inTree = snapshot !== undefined && hasUserContent(snapshot.data);
    const { index, term } = snapshot?.metadata ?? { index: 0, term: 0 };
    inLog = readLog(deps, wal, { index, term }).entries.some((entry) => {
      const content = contentOf(entry);
      return content.kind === "v2" && !isOwnRequest(content.request);
    });
  } catch (error) {
    // As etcd's tool has it: no log, nothing in it.
    if (error instanceof WalError && error.code === "not-found") return;
    throw error;
  }
  if (inTree && inLog) {
    throw new UtilityError("detected custom v2 content in both v2store and WAL records");
  }
  if (inTree) throw new UtilityError("detected custom content in v2store");
  if (inLog) throw new UtilityError("detected custom v2 content in WAL records");
}
