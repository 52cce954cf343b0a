/**
 * What a request in a foreign entry must satisfy, so that every member can apply it: the checks that
 * a member makes of its clients' requests before it proposes them. Limits that are settings of the
 * proposing member (operations, bytes) are not repeated.
 */
import { EtcdError } from "../../api/errors.ts";
import type {
  ClusterVersionSetRequest,
  DowngradeInfoSetRequest,
} from "../../api/gen/membership.ts";
import type {
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
} from "../../api/gen/rpc.ts";
import { parseVersion, SERVER_VERSION } from "../../api/version.ts";
import { clusterVersionOf, isBefore } from "../../membership/index.ts";
import { checkDeleteRange, checkPut, checkRange } from "../../mvcc/index.ts";
import { RaftField } from "../log/raft-request.ts";

/** Why the request of a foreign entry could not be applied; undefined when it can. */
export function objectionToRequest(field: number, request: unknown): string | undefined {
  switch (field) {
    case RaftField.put:
    case RaftField.txn:
    case RaftField.range:
    case RaftField.deleteRange:
      return objectionToKeyRequest(field, request);
    case RaftField.clusterVersionSet:
      return objectionToVersion((request as ClusterVersionSetRequest).ver);
    case RaftField.downgradeInfoSet: {
      const { enabled, ver } = request as DowngradeInfoSetRequest;
      return enabled && parseVersion(ver) === undefined
        ? "a malformed downgrade target"
        : undefined;
    }
    default:
      return undefined;
  }
}

function objectionToKeyRequest(field: number, request: unknown): string | undefined {
  try {
    if (field === RaftField.put) checkPut(request as PutRequest);
    else if (field === RaftField.txn) checkTxnParts(request as TxnRequest);
    else if (field === RaftField.range) checkRange(request as RangeRequest);
    else checkDeleteRange(request as DeleteRangeRequest);
    return undefined;
  } catch (error) {
    if (!(error instanceof EtcdError)) throw error;
    return error.message;
  }
}

/** The decoder has bounded the depth. */
function checkTxnParts({ compare, success, failure }: TxnRequest): void {
  for (const { key } of compare) if (key.length === 0) throw new EtcdError("emptyKey");
  for (const op of success) checkOperation(op);
  for (const op of failure) checkOperation(op);
}

function checkOperation({ request }: RequestOp): void {
  switch (request?.case) {
    case "requestRange":
      checkRange(request.value);
      break;
    case "requestPut":
      checkPut(request.value);
      break;
    case "requestDeleteRange":
      checkDeleteRange(request.value);
      break;
    case "requestTxn":
      checkTxnParts(request.value);
      break;
    case undefined:
      throw new EtcdError("keyNotFound");
  }
}

function objectionToVersion(version: string): string | undefined {
  if (parseVersion(version) === undefined) return "a malformed cluster version";
  return isBefore(clusterVersionOf(SERVER_VERSION), version)
    ? "a cluster version above this server's"
    : undefined;
}
