/**
 * What a normal entry of the log asks for, decoded once: where the entry arrives from another
 * member, or where it is applied when it comes from the own disk.
 */
import { type Identity, NOBODY } from "../../auth/index.ts";
import { requestIDFromBigInt } from "../../base/id-generator.ts";
import { decodeRequestBody } from "./log-requests.ts";
import { RaftField, type RaftRequest } from "./raft-request.ts";
import { translateV2Request, tryDecodeEnvelope } from "./v2-entries.ts";

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

/** Throws on what cannot be applied. */
export function decodeEntryRequest(data: Uint8Array): EntryRequest {
  const envelope = tryDecodeEnvelope(data);
  if (envelope !== undefined && envelope.field !== RaftField.v2) {
    const { field, start, end, idLow, idHigh } = envelope;
    const request = decodeRequestBody(field, data, start, end);
    return { field, request, idLow, idHigh, identity: identityOf(envelope) };
  }
  const v2 = envelope === undefined ? data : data.subarray(envelope.start, envelope.end);
  const { field, request, id } = translateV2Request(v2);
  const { idLow, idHigh } = hasID(envelope) ? envelope : halvesOf(id);
  return { field, request, idLow, idHigh, identity: NOBODY };
}

function halvesOf(id: bigint): { readonly idLow: number; readonly idHigh: number } {
  const { low48: idLow, high16: idHigh } = requestIDFromBigInt(id);
  return { idLow, idHigh };
}

/** Otherwise the request in it has one of its own. */
function hasID(envelope: RaftRequest | undefined): envelope is RaftRequest {
  return envelope !== undefined && (envelope.idLow !== 0 || envelope.idHigh !== 0);
}

/** What of an entry concerns the tree of the v2 store besides the v3 store; undefined if nothing. */
export function decodeForV2Store(data: Uint8Array): EntryRequest | undefined {
  switch (tryDecodeEnvelope(data)?.field) {
    case undefined:
    case RaftField.v2:
    case RaftField.clusterVersionSet:
    case RaftField.clusterMemberAttrSet:
      return decodeEntryRequest(data);
    default:
      return undefined;
  }
}

function identityOf({ username, authRevision }: RaftRequest): Identity {
  return username === "" && authRevision === 0 ? NOBODY : { username, authRevision };
}
