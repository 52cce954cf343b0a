/**
 * Refuses a directory with data of users of the v2 API: starting would drop it, as the next snapshot
 * is written without. Who accepts that says so by `--v2-deprecation=write-only-skip-check`; what
 * stands in the log is refused all the same, as in etcd.
 */
import { type Entry, EntryType, type Snapshot } from "../../api/gen/raft.ts";
import type { Logger } from "../../env/index.ts";
import {
  hasUserContent,
  refuseUserDocument,
  refuseUserRequest,
  V2DataError,
} from "../../v2store/index.ts";
import { v2RequestIn } from "../log/v2-entries.ts";
import { BootstrapError } from "./data-directory.ts";

const BYPASSED =
  "WARNING: --v2-deprecation=write-only-skip-check is enabled; v2 content detected, but " +
  "validation check is being bypassed";

/** Throws `BootstrapError`. */
export function refuseV2Data(
  found: { readonly snapshot: Snapshot | undefined; readonly entries: readonly Entry[] },
  dropsContent: boolean,
  logger: Logger,
): void {
  const { snapshot, entries } = found;
  try {
    if (snapshot !== undefined && snapshot.data.length > 0 && hasUserContent(snapshot.data)) {
      if (!dropsContent) refuseUserDocument(snapshot.data);
      logger.warn(BYPASSED);
    }
    // Also entries that the db covers: their effect is in the v2 store alone.
    for (const { type, data } of entries) {
      if (type !== EntryType.EntryNormal || data.length === 0) continue;
      const request = v2RequestIn(data);
      if (request !== undefined) refuseUserRequest(request);
    }
  } catch (error) {
    if (error instanceof V2DataError) {
      logger.error("illegal v2store content", { error: error.message });
      throw new BootstrapError(error.message);
    }
    throw error;
  }
}
