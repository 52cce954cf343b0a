/** Requests of histories as etcd's messages, and the answers back. */
import {
  Compare,
  Compare_CompareResult,
  Compare_CompareTarget,
  DeleteRangeRequest,
  DeleteRangeResponse,
  LeaseRevokeRequest,
  LeaseRevokeResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  RequestOp,
  type ResponseHeader,
  type ResponseOp,
  TxnRequest,
  TxnResponse,
} from "../../src/api/gen/rpc.ts";
import type { KeyValue } from "../../src/api/gen/kv.ts";
import { METHOD } from "../../src/api/rpc-table.ts";
import { bytesFromLatin1, latin1FromBytes } from "../../src/base/bytes.ts";
import type { Revision } from "../../src/base/ids.ts";
import type {
  CompareRequest,
  KeyValueSeen,
  KVRequest,
  KVResult,
  OperationRequest,
  OperationResult,
} from "../../src/checkers/history.ts";
import { bytesOfValue, valueOfBytes } from "./values.ts";

export interface WireRequest {
  readonly method: number;
  readonly body: Uint8Array;
}

export interface WireAnswer {
  readonly revision: Revision;
  readonly result: OperationResult;
}

export function leaseName(id: bigint): string {
  return id === 0n ? "" : id.toString(16);
}

export function leaseID(name: string): bigint {
  return name === "" ? 0n : BigInt(`0x${name}`);
}

export function encodeRequest(request: OperationRequest): WireRequest {
  switch (request.kind) {
    case "get":
      return { method: METHOD.Range, body: RangeRequest.encode(rangeOf(request)) };
    case "put":
      return { method: METHOD.Put, body: PutRequest.encode(putOf(request)) };
    case "delete":
      return { method: METHOD.DeleteRange, body: DeleteRangeRequest.encode(deleteOf(request)) };
    case "txn":
      return { method: METHOD.Txn, body: TxnRequest.encode(txnOf(request)) };
    case "revoke": {
      const revoke = LeaseRevokeRequest.create({ ID: leaseID(request.lease) });
      return { method: METHOD.LeaseRevoke, body: LeaseRevokeRequest.encode(revoke) };
    }
  }
}

export function decodeAnswer(request: OperationRequest, body: Uint8Array): WireAnswer {
  switch (request.kind) {
    case "get": {
      const response = RangeResponse.decode(body);
      return { revision: revisionOf(response.header), result: rangeResult(response) };
    }
    case "put": {
      const response = PutResponse.decode(body);
      return { revision: revisionOf(response.header), result: putResult(response) };
    }
    case "delete": {
      const response = DeleteRangeResponse.decode(body);
      return { revision: revisionOf(response.header), result: deleteResult(response) };
    }
    case "txn": {
      const response = TxnResponse.decode(body);
      return { revision: revisionOf(response.header), result: txnResult(response) };
    }
    case "revoke": {
      const response = LeaseRevokeResponse.decode(body);
      return { revision: revisionOf(response.header), result: { kind: "revoke" } };
    }
  }
}

export function keyValueSeen(kv: KeyValue): KeyValueSeen {
  return {
    key: latin1FromBytes(kv.key),
    value: valueOfBytes(kv.value),
    createRevision: kv.createRevision,
    modRevision: kv.modRevision,
    version: kv.version,
    lease: leaseName(kv.lease),
  };
}

export function revisionOf(header: ResponseHeader | undefined): Revision {
  return header?.revision ?? 0;
}

export function rangeOf(request: KVRequest & { kind: "get" }): RangeRequest {
  return RangeRequest.create({
    key: bytesFromLatin1(request.key),
    rangeEnd: bytesFromLatin1(request.end ?? ""),
    limit: request.limit ?? 0,
    revision: request.revision ?? 0,
    serializable: request.serializable ?? false,
  });
}

function putOf(request: KVRequest & { kind: "put" }): PutRequest {
  return PutRequest.create({
    key: bytesFromLatin1(request.key),
    value: bytesOfValue(request.value),
    lease: leaseID(request.lease ?? ""),
    prevKv: request.prevKV ?? false,
  });
}

function deleteOf(request: KVRequest & { kind: "delete" }): DeleteRangeRequest {
  return DeleteRangeRequest.create({
    key: bytesFromLatin1(request.key),
    rangeEnd: bytesFromLatin1(request.end ?? ""),
    prevKv: request.prevKV ?? false,
  });
}

function txnOf(request: KVRequest & { kind: "txn" }): TxnRequest {
  return TxnRequest.create({
    compare: request.compares.map(compareOf),
    success: request.success.map(operationOf),
    failure: request.failure.map(operationOf),
  });
}

function operationOf(request: KVRequest): RequestOp {
  switch (request.kind) {
    case "get":
      return RequestOp.create({ request: { case: "requestRange", value: rangeOf(request) } });
    case "put":
      return RequestOp.create({ request: { case: "requestPut", value: putOf(request) } });
    case "delete":
      return RequestOp.create({
        request: { case: "requestDeleteRange", value: deleteOf(request) },
      });
    case "txn":
      return RequestOp.create({ request: { case: "requestTxn", value: txnOf(request) } });
  }
}

const RELATIONS = {
  "=": Compare_CompareResult.EQUAL,
  "!=": Compare_CompareResult.NOT_EQUAL,
  ">": Compare_CompareResult.GREATER,
  "<": Compare_CompareResult.LESS,
} as const;

function compareOf({ key, end, target, relation, operand }: CompareRequest): Compare {
  const common = {
    result: RELATIONS[relation],
    key: bytesFromLatin1(key),
    rangeEnd: bytesFromLatin1(end ?? ""),
  };
  const value = Number(operand);
  switch (target) {
    case "value":
      return Compare.create({
        ...common,
        target: Compare_CompareTarget.VALUE,
        targetUnion: { case: "value", value: bytesFromLatin1(String(operand)) },
      });
    case "version":
      return Compare.create({
        ...common,
        target: Compare_CompareTarget.VERSION,
        targetUnion: { case: "version", value },
      });
    case "createRevision":
      return Compare.create({
        ...common,
        target: Compare_CompareTarget.CREATE,
        targetUnion: { case: "createRevision", value },
      });
    case "modRevision":
      return Compare.create({
        ...common,
        target: Compare_CompareTarget.MOD,
        targetUnion: { case: "modRevision", value },
      });
  }
}

export function rangeResult({ kvs, count }: Pick<RangeResponse, "kvs" | "count">): KVResult {
  return { kind: "get", kvs: kvs.map(keyValueSeen), count };
}

function putResult({ prevKv }: PutResponse): KVResult {
  return { kind: "put", prevKV: prevKv === undefined ? undefined : keyValueSeen(prevKv) };
}

function deleteResult({ deleted, prevKvs }: DeleteRangeResponse): KVResult {
  return { kind: "delete", deleted, prevKVs: prevKvs.map(keyValueSeen) };
}

function txnResult({ succeeded, responses }: TxnResponse): KVResult {
  return { kind: "txn", succeeded, results: responses.map(operationResult) };
}

function operationResult({ response }: ResponseOp): KVResult {
  switch (response?.case) {
    case "responseRange":
      return rangeResult(response.value);
    case "responsePut":
      return putResult(response.value);
    case "responseDeleteRange":
      return deleteResult(response.value);
    case "responseTxn":
      return txnResult(response.value);
    case undefined:
      throw new Error("a response without content");
  }
}
