/** v3 keys as nodes of the v2 tree. An index is one below the revision, as in etcd. */
import type { KeyValue } from "../../api/gen/kv.ts";
import { utf8FromBytes } from "../../base/bytes.ts";
import type { NodeView } from "../../v2store/index.ts";
import type { V3Paths } from "./paths.ts";

const SLASH = 0x2f;

export function indexOf(revision: number): number {
  return revision === 0 ? 0 : revision - 1;
}

export function revisionOf(index: number): number {
  return index === 0 ? 0 : index + 1;
}

function isDirectory({ key }: KeyValue): boolean {
  return key[key.length - 1] === SLASH;
}

export function viewOf(kv: KeyValue, paths: V3Paths): NodeView {
  const { key, value, createRevision, modRevision } = kv;
  const isDir = isDirectory(kv);
  return {
    key: paths.pathOf(utf8FromBytes(key)),
    ...(isDir ? {} : { value: utf8FromBytes(value) }),
    isDirectory: isDir,
    ttl: 0,
    modifiedIndex: indexOf(modRevision),
    createdIndex: indexOf(createRevision),
  };
}
