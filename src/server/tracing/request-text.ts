/**
 * Requests as etcd's log shows them: the compact text form of protobuf, in which fields without a
 * value are left out. Values that clients store are told by their size only. Long keys and long
 * lists of operations are cut, so that a line of the log has a bound.
 */
import {
  AlarmRequest_AlarmAction,
  AlarmType,
  type Compare,
  Compare_CompareResult,
  Compare_CompareTarget,
  type LeaseGrantRequest,
  type LeaseRevokeRequest,
  type PutRequest,
  RangeRequest_SortOrder,
  RangeRequest_SortTarget,
  type RequestOp,
  type TxnRequest,
} from "../../api/gen/rpc.ts";
import { RaftField } from "../log/raft-request.ts";

/** Longest key that a line of the log shows. */
export const MAX_SHOWN_BYTES = 256;
/** Operations in a list of a transaction that a line of the log shows: the default of `--max-txn-ops`. */
const MAX_SHOWN_ITEMS = 128;

const FIELD_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(RaftField).map(([name, field]) => [field, snakeCase(name)]),
);

/** Enumerations by the name of the field; they are shown by name. */
const ENUMS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  sortOrder: RangeRequest_SortOrder,
  sortTarget: RangeRequest_SortTarget,
  result: Compare_CompareResult,
  target: Compare_CompareTarget,
  action: AlarmRequest_AlarmAction,
  alarm: AlarmType,
};

/** A request of the log; `request` has the type that `field` says. */
export function raftRequestText(field: number, request: unknown): string {
  const name = FIELD_NAMES.get(field) ?? String(field);
  switch (field) {
    case RaftField.put:
      return `${name}:<${putText(request as PutRequest)}>`;
    case RaftField.txn:
      return `${name}:<${txnText(request as TxnRequest)}>`;
    case RaftField.leaseGrant: {
      const { TTL, ID } = request as LeaseGrantRequest;
      return `${name}:<ttl:${TTL}-second id:${leaseText(ID)}>`;
    }
    case RaftField.leaseRevoke:
      return `${name}:<id:${leaseText((request as LeaseRevokeRequest).ID)}>`;
    // What must not be read in a log: passwords, their hashes, and what a token is made of.
    case RaftField.authenticate:
    case RaftField.authUserAdd:
    case RaftField.authUserChangePassword:
      return `${name}:<name:${(request as { readonly name: string }).name}>`;
    default:
      return `${name}:<${messageText(request as object)}> `;
  }
}

export function putText({ key, value, lease, ...flags }: PutRequest): string {
  return messageText({ key, valueSize: value.length, lease, ...flags });
}

export function txnText({ compare, success, failure }: TxnRequest): string {
  const parts = [
    `compare:<${listText(compare, compareText)}>`,
    `success:<${listText(success, operationText)}>`,
    `failure:<${listText(failure, operationText)}>`,
  ];
  return parts.join(" ");
}

/** Any message, from its fields in their order. */
export function messageText(message: object): string {
  return Object.entries(message)
    .map(([name, value]) => fieldText(name, value))
    .join("");
}

function fieldText(name: string, value: unknown): string {
  if (Array.isArray(value)) return value.map((item) => fieldText(name, item)).join("");
  if (value instanceof Uint8Array) return value.length === 0 ? "" : plain(name, bytesText(value));
  switch (typeof value) {
    case "string":
      return value === "" ? "" : plain(name, bytesText(Buffer.from(value)));
    case "object":
      if (value === null) return "";
      if ("case" in value && "value" in value) return fieldText(String(value.case), value.value);
      return `${snakeCase(name)}:<${messageText(value)}> `;
    case "number":
      return value === 0 ? "" : plain(name, enumText(name, value));
    case "bigint":
    case "boolean":
      return value ? plain(name, String(value)) : "";
    default:
      return "";
  }
}

function plain(name: string, text: string): string {
  return `${snakeCase(name)}:${text} `;
}

function enumText(name: string, value: number): string {
  const names = Object.entries(ENUMS[name] ?? {});
  return names.find(([, number]) => number === value)?.[0] ?? String(value);
}

function compareText({ result, target, key, targetUnion, rangeEnd }: Compare): string {
  const known = { result, target, key };
  if (targetUnion?.case !== "value") return messageText({ ...known, targetUnion, rangeEnd });
  return messageText({ ...known, valueSize: targetUnion.value.length, rangeEnd });
}

function operationText({ request }: RequestOp): string {
  switch (request?.case) {
    case "requestPut":
      return `request_put:<${putText(request.value)}>`;
    case "requestTxn":
      return `request_txn:<${txnText(request.value)}>`;
    default:
      return messageText({ request });
  }
}

function listText<T>(items: readonly T[], text: (item: T) => string): string {
  const shown = items.slice(0, MAX_SHOWN_ITEMS).map(text);
  if (items.length > MAX_SHOWN_ITEMS) shown.push("…");
  return shown.join(" ");
}

function leaseText(id: bigint): string {
  return BigInt.asUintN(64, id).toString(16).padStart(16, "0");
}

const ESCAPES: ReadonlyMap<number, string> = new Map([
  [0x0a, "\\n"],
  [0x0d, "\\r"],
  [0x09, "\\t"],
  [0x22, '\\"'],
  [0x5c, "\\\\"],
]);

/** In quotes; what is not printable ASCII in octal. */
function bytesText(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes.subarray(0, MAX_SHOWN_BYTES)) {
    const isPrintable = byte >= 0x20 && byte < 0x7f;
    text +=
      ESCAPES.get(byte) ??
      (isPrintable ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, "0")}`);
  }
  return `"${text}"${bytes.length > MAX_SHOWN_BYTES ? "…" : ""}`;
}

/** The schema's names: "rangeEnd" is range_end, "memberID" member_ID. */
function snakeCase(name: string): string {
  return name.replace(/([a-z])([A-Z]+)/g, (_, before: string, capitals: string) =>
    capitals.length > 1 ? `${before}_${capitals}` : `${before}_${capitals.toLowerCase()}`,
  );
}
