/**
 * What a normal entry of the log asks for, decoded once: where the entry arrives from another
 * member, or where it is applied when it comes from the own disk.
 */
import { type Identity, NOBODY } from "../../auth/index.ts";
import { decodeRequestBody } from "./log-requests.ts";
import { RaftField, type RaftRequest } from "./raft-request.ts";
import { translateV2Entry, tryDecodeEnvelope } from "./v2-entries.ts";

export interface EntryRequest {
  readonly field: number;
  /** Of the type that `field` says; it borrows the entry's data. */
  readonly request: unknown;
  /** The request id, as `RaftRequest` splits it. */
  readonly idLow: number;
  readonly idHigh: number;
  /** Whom the proposing member took the request from. */
  readonly identity: Identity;
}

/** Undefined for an entry that changes nothing here. Throws on what cannot be applied. */
export function decodeEntryRequest(data: Uint8Array): EntryRequest | undefined {
  const envelope = tryDecodeEnvelope(data);
  if (envelope !== undefined && envelope.field !== RaftField.v2) {
    const { field, start, end, idLow, idHigh } = envelope;
    const request = decodeRequestBody(field, data, start, end);
    return { field, request, idLow, idHigh, identity: identityOf(envelope) };
  }
  const v2 = envelope === undefined ? data : data.subarray(envelope.start, envelope.end);
  const translation = translateV2Entry(v2);
  if (translation.kind === "nothing") return undefined;
  const { field, request } = translation;
  const { idLow, idHigh } = envelope ?? NO_ID;
  return { field, request, idLow, idHigh, identity: NOBODY };
}

const NO_ID = { idLow: 0, idHigh: 0 };

function identityOf({ username, authRevision }: RaftRequest): Identity {
  return username === "" && authRevision === 0 ? NOBODY : { username, authRevision };
}
