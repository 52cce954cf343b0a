/** Records of the "key" bucket in memory of their own. */
import type { LeaseID, Revision } from "../../base/ids.ts";
import { sizeKeyValue, sizeTombstone, writeKeyValue, writeTombstone } from "../key-value.ts";

export function encodeKeyValue(
  ...fields: [
    key: string,
    createRevision: Revision,
    modRevision: Revision,
    version: number,
    value: Uint8Array,
    lease: LeaseID,
  ]
): Uint8Array {
  const record = Buffer.alloc(sizeKeyValue(...fields));
  writeKeyValue(record, record.length, ...fields);
  return record;
}

export function encodeTombstone(key: string): Uint8Array {
  const record = Buffer.alloc(sizeTombstone(key));
  writeTombstone(record, record.length, key);
  return record;
}
