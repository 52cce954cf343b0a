/** How the body of each request in the log is decoded. */
import type { MessageType } from "../../api/message-type.ts";
import {
  ClusterMemberAttrSetRequest,
  ClusterVersionSetRequest,
  DowngradeInfoSetRequest,
} from "../../api/gen/membership.ts";
import {
  AlarmRequest,
  CompactionRequest,
  DeleteRangeRequest,
  LeaseCheckpointRequest,
  LeaseGrantRequest,
  LeaseRevokeRequest,
  PutRequest,
  RangeRequest,
  TxnRequest,
} from "../../api/gen/rpc.ts";
import { RaftField } from "./raft-request.ts";

const CODECS: ReadonlyMap<number, MessageType<unknown>> = new Map<number, MessageType<unknown>>([
  [RaftField.range, RangeRequest as MessageType<unknown>],
  [RaftField.put, PutRequest as MessageType<unknown>],
  [RaftField.deleteRange, DeleteRangeRequest as MessageType<unknown>],
  [RaftField.txn, TxnRequest as MessageType<unknown>],
  [RaftField.compaction, CompactionRequest as MessageType<unknown>],
  [RaftField.leaseGrant, LeaseGrantRequest as MessageType<unknown>],
  [RaftField.leaseRevoke, LeaseRevokeRequest as MessageType<unknown>],
  [RaftField.leaseCheckpoint, LeaseCheckpointRequest as MessageType<unknown>],
  [RaftField.alarm, AlarmRequest as MessageType<unknown>],
  [RaftField.clusterVersionSet, ClusterVersionSetRequest as MessageType<unknown>],
  [RaftField.clusterMemberAttrSet, ClusterMemberAttrSetRequest as MessageType<unknown>],
  [RaftField.downgradeInfoSet, DowngradeInfoSetRequest as MessageType<unknown>],
]);

/**
 * Decodes the request of a field of `InternalRaftRequest`; its bytes borrow `data`. Throws on a
 * field that this version cannot apply, so that no member leaves out what others do.
 */
export function decodeRequestBody(
  field: number,
  data: Uint8Array,
  start: number,
  end: number,
): unknown {
  const codec = CODECS.get(field);
  if (codec === undefined) {
    throw new Error(`the log holds a request that this version cannot apply (field ${field})`);
  }
  return codec.decode(data, start, end);
}
