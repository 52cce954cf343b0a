/**
 * The raft snapshot of the applied state. With a v2 store that has a tree, nothing is applied until
 * the tree is written down, in slices: the loop goes on, and the document is of one moment.
 */
import { type ConfState, Snapshot, SnapshotMetadata } from "../../api/gen/raft.ts";
import type { Index, Term } from "../../base/ids.ts";
import { ENDLESS, finish, type Slice, type Steps } from "../../base/slice.ts";
import type { V2Store } from "../../v2store/index.ts";

export interface DescriberOptions {
  readonly v2store: V2Store;
  /** Does long work beside all else. */
  readonly inTurns: <T>(begin: (slice: Slice) => Steps<T>) => Promise<T>;
  /** Keeps entries from being applied, until what it gives is called. */
  readonly holdApply: () => () => void;
}

/** Of the state of this moment, which is at `index`. */
export type DescribeSnapshot = (
  index: Index,
  term: Term,
  confState: ConfState,
) => Promise<Snapshot>;

export function snapshotDescriber(options: DescriberOptions): DescribeSnapshot {
  return async (index, term, confState) => {
    const data = await documentOf(options);
    return Snapshot.create({ data, metadata: SnapshotMetadata.create({ confState, index, term }) });
  };
}

/** Reads what changes with the state before it first waits. */
async function documentOf({ v2store, inTurns, holdApply }: DescriberOptions): Promise<Uint8Array> {
  if (v2store.keys === undefined) return finish(v2store.documentInSteps(ENDLESS));
  const release = holdApply();
  try {
    return await inTurns((slice) => v2store.documentInSteps(slice));
  } finally {
    release();
  }
}
