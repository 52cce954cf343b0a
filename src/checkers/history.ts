/**
 * What clients of a cluster asked and were told: the input of the checkers in this folder. Whoever
 * runs a cluster, simulated or of real processes, records one `Operation` per call.
 *
 * Rules for the recorder:
 * - every write that any client sends while the cluster runs is recorded; a write that nobody
 *   recorded looks like one that the cluster made up;
 * - one call is one request: no retries behind the recorder's back;
 * - an error is "failed" only when the request certainly changed nothing and never will. Timeouts,
 *   broken connections and lost leaders are "unknown": it happened at some time after the call, or
 *   happens later, or never;
 * - keys and values are text of which each UTF-16 unit stands for one byte (ASCII or latin1).
 */
import type { Revision } from "../base/ids.ts";

/** Any unit, any origin; only compared. One clock for the whole history. */
export type Time = number;

/** A lease by name; "" is none. */
export type LeaseName = string;

/** A stored key as a response shows it. */
export interface KeyValueSeen {
  readonly key: string;
  readonly value: string;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  readonly version: number;
  readonly lease: LeaseName;
}

export type CompareTarget = "value" | "modRevision" | "createRevision" | "version";

export interface CompareRequest {
  readonly key: string;
  /** Exclusive; with it, all keys of the range must satisfy the comparison. */
  readonly end?: string | undefined;
  readonly target: CompareTarget;
  readonly relation: "=" | "!=" | ">" | "<";
  /** Text for target "value", a number for the others. */
  readonly operand: string | number;
}

export interface GetRequest {
  readonly kind: "get";
  readonly key: string;
  /** Exclusive end of a range; without it, one key. */
  readonly end?: string | undefined;
  /** State of this revision; default: the newest. */
  readonly revision?: Revision | undefined;
  /** Largest number of keys; default: all. */
  readonly limit?: number | undefined;
  /** May be old: no order in real time is asked of it. */
  readonly serializable?: boolean | undefined;
}

export interface PutRequest {
  readonly kind: "put";
  readonly key: string;
  readonly value: string;
  readonly lease?: LeaseName | undefined;
  readonly prevKV?: boolean | undefined;
}

export interface DeleteRequest {
  readonly kind: "delete";
  readonly key: string;
  readonly end?: string | undefined;
  readonly prevKV?: boolean | undefined;
}

export interface TxnRequest {
  readonly kind: "txn";
  readonly compares: readonly CompareRequest[];
  readonly success: readonly KVRequest[];
  readonly failure: readonly KVRequest[];
}

/** Deletes the keys of a lease, by a client or because it expired. */
export interface RevokeRequest {
  readonly kind: "revoke";
  readonly lease: LeaseName;
}

export type KVRequest = GetRequest | PutRequest | DeleteRequest | TxnRequest;
export type OperationRequest = KVRequest | RevokeRequest;

export interface GetResult {
  readonly kind: "get";
  readonly kvs: readonly KeyValueSeen[];
  /** Keys of the range, whatever the limit says. */
  readonly count: number;
}

export interface PutResult {
  readonly kind: "put";
  readonly prevKV?: KeyValueSeen | undefined;
}

export interface DeleteResult {
  readonly kind: "delete";
  readonly deleted: number;
  /** Empty unless asked for. */
  readonly prevKVs: readonly KeyValueSeen[];
}

export interface TxnResult {
  readonly kind: "txn";
  readonly succeeded: boolean;
  readonly results: readonly KVResult[];
}

export interface RevokeResult {
  readonly kind: "revoke";
}

export type KVResult = GetResult | PutResult | DeleteResult | TxnResult;
export type OperationResult = KVResult | RevokeResult;

export type Outcome =
  | {
      readonly kind: "ok";
      readonly returnTime: Time;
      /** Revision in the header of the response. */
      readonly revision: Revision;
      readonly result: OperationResult;
    }
  | { readonly kind: "failed"; readonly returnTime: Time; readonly error: string }
  | { readonly kind: "unknown"; readonly error: string };

export interface Operation {
  /** Unlike all others of the history. */
  readonly id: number;
  readonly clientID: number;
  /** The member that was asked, for reports. */
  readonly member?: string | undefined;
  readonly request: OperationRequest;
  readonly callTime: Time;
  readonly outcome: Outcome;
}

/** An operation that was answered. */
export type AnsweredOperation = Operation & { readonly outcome: { readonly kind: "ok" } };

export function isAnswered(operation: Operation): operation is AnsweredOperation {
  return operation.outcome.kind === "ok";
}

/** True if the request could change keys. */
export function mayWrite(request: OperationRequest): boolean {
  if (request.kind === "txn") return [...request.success, ...request.failure].some(mayWrite);
  return request.kind !== "get";
}

/** True if the answer says that keys were changed; undefined if it does not tell. */
export function didWrite(result: OperationResult): boolean | undefined {
  switch (result.kind) {
    case "get":
      return false;
    case "put":
      return true;
    case "delete":
      return result.deleted > 0;
    case "txn":
      return result.results.some((each) => didWrite(each) === true);
    case "revoke":
      return undefined;
  }
}

/** One line for a report. */
export function describeOperation({
  id,
  clientID,
  member,
  request,
  callTime,
  outcome,
}: Operation): string {
  const at = member === undefined ? "" : ` at ${member}`;
  const until = outcome.kind === "unknown" ? "?" : String(outcome.returnTime);
  return `#${id} client ${clientID}${at} [${callTime}, ${until}] ${describeRequest(request)} -> ${describeOutcome(outcome)}`;
}

function describeRequest(request: OperationRequest): string {
  switch (request.kind) {
    case "get":
    case "delete": {
      const parts = [request.kind, keysOf(request)];
      if (request.kind === "get") {
        if (request.revision !== undefined) parts.push(`@${request.revision}`);
        if (request.limit !== undefined) parts.push(`limit ${request.limit}`);
        if (request.serializable === true) parts.push("serializable");
      }
      return parts.join(" ");
    }
    case "put": {
      const lease = (request.lease ?? "") === "" ? "" : ` lease ${request.lease}`;
      return `put ${request.key}=${request.value}${lease}`;
    }
    case "revoke":
      return `revoke lease ${request.lease}`;
    case "txn": {
      const compares = request.compares.map(
        (each) => `${each.target}(${keysOf(each)})${each.relation}${each.operand}`,
      );
      const branch = (requests: readonly KVRequest[]): string =>
        `{${requests.map(describeRequest).join("; ")}}`;
      return `txn if ${compares.join(" and ") || "true"} ${branch(request.success)} else ${branch(request.failure)}`;
    }
  }
}

export function describeResult(result: OperationResult): string {
  switch (result.kind) {
    case "get":
      return `${result.count} keys [${result.kvs.map(describeKeyValue).join(", ")}]`;
    case "put":
      return result.prevKV === undefined ? "ok" : `ok, was ${describeKeyValue(result.prevKV)}`;
    case "delete":
      return `deleted ${result.deleted}${result.prevKVs.map((kv) => `, was ${describeKeyValue(kv)}`).join("")}`;
    case "txn":
      return `${result.succeeded ? "then" : "else"} {${result.results.map(describeResult).join("; ")}}`;
    case "revoke":
      return "ok";
  }
}

export function describeKeyValue(kv: KeyValueSeen): string {
  const lease = kv.lease === "" ? "" : ` lease ${kv.lease}`;
  return `${kv.key}=${kv.value} (create ${kv.createRevision} mod ${kv.modRevision} version ${kv.version}${lease})`;
}

function describeOutcome(outcome: Outcome): string {
  if (outcome.kind !== "ok") return `${outcome.kind}: ${outcome.error}`;
  return `revision ${outcome.revision}: ${describeResult(outcome.result)}`;
}

function keysOf({ key, end }: { readonly key: string; readonly end?: string | undefined }): string {
  return end === undefined ? key : `[${key}, ${end})`;
}
