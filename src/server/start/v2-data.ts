/**
 * Refuses a directory with data of users of the v2 API: starting would drop it, as the next snapshot
 * is written without.
 */
import { type Entry, EntryType, type Snapshot } from "../../api/gen/raft.ts";
import { refuseUserDocument, refuseUserRequest, V2DataError } from "../../v2store/index.ts";
import { v2RequestIn } from "../log/v2-entries.ts";
import { BootstrapError } from "./data-directory.ts";

/** Throws `BootstrapError`. */
export function refuseV2Data(snapshot: Snapshot | undefined, entries: readonly Entry[]): void {
  try {
    if (snapshot !== undefined && snapshot.data.length > 0) refuseUserDocument(snapshot.data);
    // Also entries that the db covers: their effect is in the v2 store alone.
    for (const { type, data } of entries) {
      if (type !== EntryType.EntryNormal || data.length === 0) continue;
      const request = v2RequestIn(data);
      if (request !== undefined) refuseUserRequest(request);
    }
  } catch (error) {
    if (error instanceof V2DataError) throw new BootstrapError(error.message);
    throw error;
  }
}
