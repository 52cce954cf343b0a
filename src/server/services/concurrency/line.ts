/**
 * The line of a lock or an election: each contender has a key below the name, named after its lease.
 * The key that was created first is first. Everybody waits for the one before, so that a release
 * wakes one contender, not all. Keys and order are those of etcd's clients, who may stand in the
 * same line.
 */
import { EtcdError } from "../../../api/errors.ts";
import { Event_EventType, type KeyValue } from "../../../api/gen/kv.ts";
import {
  type Compare,
  Compare as CompareCodec,
  Compare_CompareResult,
  Compare_CompareTarget,
  DeleteRangeRequest,
  PutRequest,
  type RangeRequest,
  RangeRequest as RangeRequestCodec,
  RangeRequest_SortOrder,
  RangeRequest_SortTarget,
  type RequestOp,
  type ResponseHeader,
  type ResponseOp,
} from "../../../api/gen/rpc.ts";
import { EMPTY_BYTES } from "../../../base/bytes.ts";
import type { LeaseID, Revision } from "../../../base/ids.ts";
import type { Delegate } from "./delegate.ts";

const SLASH = 0x2f;

export interface Place {
  readonly header: ResponseHeader | undefined;
  readonly key: Uint8Array;
  /** When the key was created. */
  readonly revision: Revision;
  /** The key was there before, with this value. */
  readonly existing: KeyValue | undefined;
  readonly isFirst: boolean;
}

/** All keys of a line, and the name itself with its slash. */
export function lineOf(name: Uint8Array): {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
} {
  return {
    key: Buffer.concat([name, Uint8Array.of(SLASH)]),
    rangeEnd: Buffer.concat([name, Uint8Array.of(SLASH + 1)]),
  };
}

/** Who is first. */
export function firstOf(name: Uint8Array): Partial<RangeRequest> {
  return {
    ...lineOf(name),
    sortTarget: RangeRequest_SortTarget.CREATE,
    sortOrder: RangeRequest_SortOrder.ASCEND,
    limit: 1,
  };
}

/** Joins the line; a lease that stands in it already keeps its place. */
export async function join(
  delegate: Delegate,
  name: Uint8Array,
  lease: LeaseID,
  value: Uint8Array = EMPTY_BYTES,
): Promise<Place> {
  const key = Buffer.concat([lineOf(name).key, Buffer.from(lease.toString(16))]);
  const first = rangeOp(firstOf(name));
  const { header, succeeded, responses } = await delegate.txn({
    compare: [createdAt(key, 0)],
    success: [putOp({ key, value, lease }), first],
    failure: [rangeOp({ key }), first],
  });
  const existing = succeeded ? undefined : firstKey(responses[0]);
  const revision = existing?.createRevision ?? header?.revision ?? 0;
  const isFirst = (firstKey(responses[1])?.createRevision ?? revision) === revision;
  return { header, key, revision, existing, isFirst };
}

/** Waits until no older key is left in the line. */
export async function waitForTurn(
  delegate: Delegate,
  name: Uint8Array,
  revision: Revision,
): Promise<void> {
  for (;;) {
    const { header, kvs } = await delegate.range({
      ...lineOf(name),
      sortTarget: RangeRequest_SortTarget.CREATE,
      sortOrder: RangeRequest_SortOrder.DESCEND,
      maxCreateRevision: revision - 1,
      limit: 1,
      keysOnly: true,
    });
    const [before] = kvs;
    if (before === undefined) return;
    await waitForDelete(delegate, before.key, (header?.revision ?? 0) + 1);
  }
}

async function waitForDelete(
  delegate: Delegate,
  key: Uint8Array,
  startRevision: Revision,
): Promise<void> {
  try {
    await delegate.watch({ key, startRevision }, ({ events }) =>
      events.some(({ type }) => type === Event_EventType.DELETE) ? true : undefined,
    );
  } catch (error) {
    // What happened meanwhile is forgotten: the caller looks again.
    if (!(error instanceof EtcdError && error.kind === "compacted")) throw error;
  }
}

/** Leaves the line, if the key is still the one that was created then. */
export async function leave(
  delegate: Delegate,
  key: Uint8Array,
  revision: Revision,
): Promise<ResponseHeader | undefined> {
  const value = DeleteRangeRequest.create({ key });
  const { header } = await delegate.txn({
    compare: [createdAt(key, revision)],
    success: [{ request: { case: "requestDeleteRange", value } }],
  });
  return header;
}

/** Holds while the key is the one that was created then; 0 for a key that is not there. */
export function createdAt(key: Uint8Array, createRevision: Revision): Compare {
  return CompareCodec.create({
    key,
    target: Compare_CompareTarget.CREATE,
    result: Compare_CompareResult.EQUAL,
    targetUnion: { case: "createRevision", value: createRevision },
  });
}

export function putOp(fields: Partial<PutRequest>): RequestOp {
  return { request: { case: "requestPut", value: PutRequest.create(fields) } };
}

function rangeOp(fields: Partial<RangeRequest>): RequestOp {
  return { request: { case: "requestRange", value: RangeRequestCodec.create(fields) } };
}

function firstKey(op: ResponseOp | undefined): KeyValue | undefined {
  return op?.response?.case === "responseRange" ? op.response.value.kvs[0] : undefined;
}
