/**
 * What a change of the tree depends on: whether the node is there, as a key or as a directory, and
 * the directories above it. A transaction that compares it all happens in the state that was seen.
 */
import type { KeyValue } from "../../api/gen/kv.ts";
import type { Compare } from "../../api/gen/rpc.ts";
import { keyOf, rangeOf, wasModifiedAt } from "./operations.ts";
import { directoriesAbove, type V3Paths } from "./paths.ts";
import type { V3Calls } from "./v3-calls.ts";

interface Place {
  readonly fileKey: Uint8Array;
  readonly directoryKey: Uint8Array;
  readonly file: KeyValue | undefined;
  readonly directory: KeyValue | undefined;
}

export interface NodeState {
  readonly node: Place;
  /** The nearest first. */
  readonly above: readonly Place[];
  /** Of the moment. */
  readonly revision: number;
  /** That all of it is still so. */
  readonly comparisons: readonly Compare[];
}

/** Rejects with `V2Error`. */
export async function nodeState(calls: V3Calls, paths: V3Paths, path: string): Promise<NodeState> {
  const keys = [path, ...directoriesAbove(path)].flatMap((at) => [
    paths.file(at),
    paths.directory(at),
  ]);
  const response = await calls.txn({ success: keys.map(rangeOf) });
  const places: Place[] = [];
  for (let at = 0; at < keys.length; at += 2) {
    places.push({
      fileKey: keys[at] as Uint8Array,
      directoryKey: keys[at + 1] as Uint8Array,
      file: keyOf(response, at),
      directory: keyOf(response, at + 1),
    });
  }
  const [node, ...above] = places as [Place, ...Place[]];
  const comparisons = keys.map((key, at) =>
    wasModifiedAt(key, keyOf(response, at)?.modRevision ?? 0),
  );
  return { node, above, revision: response.header?.revision ?? 0, comparisons };
}
