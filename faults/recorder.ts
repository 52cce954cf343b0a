/**
 * The history of a run: calls with one attempt each, recorded with what the caller saw. Times are
 * microseconds of this process's monotonic clock.
 */
import { latin1FromBytes } from "../src/base/bytes.ts";
import { formatID } from "../src/base/ids.ts";
import {
  type CallOptions,
  compare,
  type EtcdClient,
  EtcdClientError,
  type KeyValue,
  type LeaseID,
  type Op,
  type OpResponse,
  op,
} from "../src/client/index.ts";
import type {
  CompareRequest,
  KeyValueSeen,
  KVRequest,
  KVResult,
  Operation,
  OperationRequest,
  OperationResult,
  Outcome,
} from "../src/checkers/history.ts";
import { mayWrite } from "../src/checkers/history.ts";
import type { CompactionSeen } from "../src/checkers/watch-history.ts";

export function nowUs(): number {
  return Math.round(performance.now() * 1000);
}

/** As the history names leases; "" for none. */
export function leaseName(lease: LeaseID): string {
  return lease === 0n ? "" : formatID(lease);
}

function leaseID(name: string | undefined): LeaseID {
  return name === undefined || name === "" ? 0n : BigInt.asIntN(64, BigInt(`0x${name}`));
}

export function seenOf(kv: KeyValue): KeyValueSeen {
  return {
    key: latin1FromBytes(kv.key),
    value: latin1FromBytes(kv.value),
    createRevision: kv.createRevision,
    modRevision: kv.modRevision,
    version: kv.version,
    lease: leaseName(kv.lease),
  };
}

export class Recorder {
  readonly operations: Operation[] = [];
  readonly compactions: CompactionSeen[] = [];
  #nextID = 0;

  /** Sends a request once, to the client's endpoint, and records it. */
  async run(
    client: EtcdClient,
    clientID: number,
    member: string,
    request: OperationRequest,
    options: CallOptions,
  ): Promise<Operation> {
    const base = { id: this.#nextID++, clientID, member, request, callTime: nowUs() };
    const operation = { ...base, outcome: await outcomeOf(client, request, options) };
    this.operations.push(operation);
    return operation;
  }

  /** The server may revoke the lease by itself from `callTime` on. */
  expect(lease: string, callTime: number): void {
    this.operations.push({
      id: this.#nextID++,
      clientID: -1,
      request: { kind: "revoke", lease },
      callTime,
      outcome: { kind: "unknown", error: "may expire" },
    });
  }
}

async function outcomeOf(
  client: EtcdClient,
  request: OperationRequest,
  options: CallOptions,
): Promise<Outcome> {
  try {
    const { revision, result } = await send(client, request, options);
    return { kind: "ok", returnTime: nowUs(), revision, result };
  } catch (error) {
    if (!(error instanceof EtcdClientError)) throw error;
    // A revoke counts as harmless to repeat, so the client does not say whether it happened.
    const isUnknown =
      error.outcomeUnknown || (request.kind === "revoke" && error.kind !== "leaseNotFound");
    const text = `${error.kind}: ${error.message}`;
    return isUnknown && mayWrite(request)
      ? { kind: "unknown", error: text }
      : { kind: "failed", returnTime: nowUs(), error: text };
  }
}

interface Answer {
  readonly revision: number;
  readonly result: OperationResult;
}

async function send(
  client: EtcdClient,
  request: OperationRequest,
  options: CallOptions,
): Promise<Answer> {
  if (request.kind === "revoke") {
    const { header } = await client.lease.revoke(leaseID(request.lease), options);
    return { revision: header?.revision ?? 0, result: { kind: "revoke" } };
  }
  // Alone, an operation goes as the call of its own; in a transaction as one of its operations.
  const answer = await sendAlone(client, request, options);
  return { revision: answer.revision, result: resultOf(answer) };
}

async function sendAlone(
  { kv }: EtcdClient,
  request: KVRequest,
  options: CallOptions,
): Promise<OpResponse> {
  switch (request.kind) {
    case "get": {
      const { end, revision, limit, serializable } = request;
      return kv.get(request.key, { ...options, rangeEnd: end, revision, limit, serializable });
    }
    case "put": {
      const { prevKV, value } = request;
      return kv.put(request.key, value, { ...options, lease: leaseID(request.lease), prevKV });
    }
    case "delete":
      return kv.delete(request.key, {
        ...options,
        rangeEnd: request.end,
        prevKV: request.prevKV,
      });
    case "txn":
      return kv
        .txn()
        .if(...request.compares.map(toCompare))
        .do(...request.success.map(toOp))
        .otherwise(...request.failure.map(toOp))
        .commit(options);
  }
}

function toOp(request: KVRequest): Op {
  switch (request.kind) {
    case "get":
      return op.get(request.key, { rangeEnd: request.end, limit: request.limit });
    case "put":
      return op.put(request.key, request.value, {
        lease: leaseID(request.lease),
        prevKV: request.prevKV,
      });
    case "delete":
      return op.delete(request.key, { rangeEnd: request.end, prevKV: request.prevKV });
    case "txn":
      throw new TypeError("the workload nests no transactions");
  }
}

const RELATIONS = { "=": "equal", "!=": "notEqual", ">": "greater", "<": "less" } as const;

function toCompare({
  key,
  end,
  target,
  relation,
  operand,
}: CompareRequest): ReturnType<typeof compare.missing> {
  const range = { rangeEnd: end };
  if (target === "value") return compare.value(key, range)[RELATIONS[relation]](String(operand));
  return compare[target](key, range)[RELATIONS[relation]](Number(operand));
}

function resultOf(answer: OpResponse): KVResult {
  switch (answer.kind) {
    case "get":
      return { kind: "get", kvs: answer.kvs.map(seenOf), count: answer.count };
    case "put": {
      const { prevKV } = answer;
      return { kind: "put", prevKV: prevKV === undefined ? undefined : seenOf(prevKV) };
    }
    case "delete":
      return {
        kind: "delete",
        deleted: answer.deleted,
        prevKVs: answer.prevKVs.map(seenOf),
      };
    case "txn":
      return {
        kind: "txn",
        succeeded: answer.succeeded,
        results: answer.responses.map(resultOf),
      };
  }
}
