/**
 * Refuses a directory with data of users of the v2 API, in etcd's words: starting would drop it, as
 * the next snapshot is written without.
 */
import { type Entry, EntryType, type Snapshot } from "../../api/gen/raft.ts";
import { utf8FromBytes } from "../../base/bytes.ts";
import { DecodeError } from "../../base/wire.ts";
import { hasV2UserContent } from "../../membership/index.ts";
import { BootstrapError } from "./data-directory.ts";
import { translateV2Entry, V2_DATA_ADVICE, V2DataError, v2RequestIn } from "../log/v2-entries.ts";

/** Throws `BootstrapError`. */
export function refuseV2Data(snapshot: Snapshot | undefined, entries: readonly Entry[]): void {
  const document = snapshot?.data;
  if (document !== undefined && document.length > 0) refuseDocument(utf8FromBytes(document));
  for (const { type, data } of entries) {
    if (type === EntryType.EntryNormal && data.length > 0) refuseEntry(data);
  }
}

function refuseDocument(text: string): void {
  if (!hasV2UserContent(text)) return;
  throw new BootstrapError(
    "detected disallowed custom content in v2store for stage --v2-deprecation=write-only: " +
      V2_DATA_ADVICE,
  );
}

/** Also entries that the db covers: their effect is in the v2 store alone. */
function refuseEntry(data: Uint8Array): void {
  const request = v2RequestIn(data);
  if (request === undefined) return;
  try {
    translateV2Entry(request);
  } catch (error) {
    if (error instanceof V2DataError) throw new BootstrapError(error.message);
    // Whether it is needed at all is known when it is its turn.
    if (!(error instanceof DecodeError) && !(error instanceof SyntaxError)) throw error;
  }
}
