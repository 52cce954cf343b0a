/** Executes the transactions that `scanPlainTxn` recognises, exactly as `executeTxn` would. */
import { EtcdError } from "../../api/errors.ts";
import type { PlainOperation, PlainTxn } from "../../api/plain-txn.ts";
import { viewAsBuffer } from "../../base/bytes.ts";
import { NO_LEASE } from "../lease-hooks.ts";
import type { Store } from "../store.ts";
import { compareNumber } from "./compare.ts";
import { executeGet } from "./range.ts";
import type { OpResult, TxnResult } from "./txn.ts";
import { deleteKeyInWrite } from "./write.ts";

/** Throws "lease not found", with nothing changed. */
export function executePlainTxn(store: Store, txn: PlainTxn): TxnResult {
  const bytes = viewAsBuffer(txn.bytes);
  const { compare } = txn;
  const compared = bytes.latin1Slice(compare.keyStart, compare.keyEnd);
  const succeeded = compareNumber(store, compared, compare);
  const operation = succeeded ? txn.success : txn.failure;
  if (operation === undefined) {
    return { revision: store.currentRevision, succeeded, responses: [] };
  }
  const { keyStart, keyEnd, lease } = operation;
  if (lease !== NO_LEASE && !store.leases.exists(lease)) throw new EtcdError("leaseNotFound");
  const key = isSameKey(txn, operation) ? compared : bytes.latin1Slice(keyStart, keyEnd);
  store.beginWrite();
  const response = run(store, key, operation, bytes);
  return { revision: store.endWrite(), succeeded, responses: [response] };
}

function run(store: Store, key: string, operation: PlainOperation, bytes: Buffer): OpResult {
  switch (operation.kind) {
    case "put":
      store.put(key, bytes.subarray(operation.valueStart, operation.valueEnd), operation.lease);
      return { kind: "put", result: { revision: store.readRevision, previous: undefined } };
    case "get":
      return { kind: "range", result: executeGet(store, key) };
    case "delete":
      return { kind: "deleteRange", result: deleteKeyInWrite(store, key, false) };
  }
}

/** As it usually is: then its text need not be made again. */
function isSameKey({ bytes, compare }: PlainTxn, { keyStart, keyEnd }: PlainOperation): boolean {
  const { keyStart: start } = compare;
  const length = keyEnd - keyStart;
  if (compare.keyEnd - start !== length) return false;
  for (let i = 0; i < length; i++) if (bytes[start + i] !== bytes[keyStart + i]) return false;
  return true;
}
