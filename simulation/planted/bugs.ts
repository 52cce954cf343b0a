/**
 * Bugs of etcd's own history (and one of this project's), put back into the running server by
 * replacing methods of its classes: the proof that the simulation would have found them. The
 * server's sources know nothing of this.
 */
import type { EtcdServer } from "../../src/server/index.ts";
import { plantUncheckedApply, plantUnconfirmedRead } from "./auth-bugs.ts";
import type { World } from "../../src/testing/world/world.ts";
import {
  plantDefragmentationBug,
  plantSnapshotIndexBug,
  plantEarlyIndexBug,
} from "./index-bugs.ts";
import {
  plantEagerCompaction,
  plantForgottenLead,
  plantHalfCounted,
  plantLostPiece,
  plantShortCheckpoint,
  plantUnaskedGet,
  plantUndeadWatch,
} from "./late-bugs.ts";
import { plantEarlyAcknowledgement, plantEmptySaveBug, plantStaleReadBug } from "./log-bugs.ts";
import {
  plantForgottenCall,
  plantForgottenEntries,
  plantKeptBody,
  plantUnnotedViews,
} from "./memory-bugs.ts";
import { plantLostTombstone, plantRevisionGoingBack } from "./compaction-bugs.ts";
import {
  plantEarlyProgress,
  plantFutureWatchBug,
  plantOldWatchersAfterRestore,
  plantSkippingCompaction,
} from "./watch-bugs.ts";

/** What a planted bug may look at. */
export interface PlantedWorld {
  readonly world: World;
  /** The server that owns an object of one of its classes. */
  serverOf(part: object): EtcdServer | undefined;
}

export interface PlantedBug {
  /** What goes wrong, as it was reported. */
  readonly what: string;
  /** Returns the function that takes it out again. */
  readonly plant: (planted: PlantedWorld) => () => void;
}

/** By number of the issue at etcd's, or by what is planted; those of "auth" need `--faults`. */
export const PLANTED_BUGS: Readonly<Record<string, PlantedBug>> = {
  "13766": {
    what: "the consistent index is committed before the changes of its entry",
    plant: plantEarlyIndexBug,
  },
  "13908": {
    what: "the consistent index of a received database is overwritten by the old one",
    plant: plantSnapshotIndexBug,
  },
  "14370": {
    what: "a member that is alone answers before its log is synced",
    plant: plantEarlyAcknowledgement,
  },
  "14685": {
    what: "a defragmentation commits the consistent index without the pending changes",
    plant: plantDefragmentationBug,
  },
  "15220": {
    what: "a progress notice runs ahead of events that are still queued",
    plant: plantEarlyProgress,
  },
  "15271": {
    what: "watchers begin again from where they started after a database was received",
    plant: plantOldWatchersAfterRestore,
  },
  "17529": {
    what: "a compaction passes a slow watcher, which is not told",
    plant: plantSkippingCompaction,
  },
  "17780": {
    what: "the revision goes back when a member starts after a compaction took the newest change",
    plant: plantRevisionGoingBack,
  },
  "18089": {
    what: "a deletion at the compact revision is lost for watchers",
    plant: plantLostTombstone,
  },
  "20221": {
    what: "a watch of a future revision gets older events from a member that lags",
    plant: plantFutureWatchBug,
  },
  "20418": {
    what: "a leader that was paused confirms reads by answers to older heartbeats",
    plant: plantStaleReadBug,
  },
  "auth-apply": {
    what: "rights are not looked at again when a request is applied",
    plant: plantUncheckedApply,
  },
  "auth-read": {
    what: "rights are not looked at again when a read is answered",
    plant: plantUnconfirmedRead,
  },
  "eager-compaction": {
    what: "entries that are not applied are cut off for taking too much room",
    plant: plantEagerCompaction,
  },
  "forgotten-call": {
    what: "a read whose client has gone is never ended",
    plant: plantForgottenCall,
  },
  "forgotten-lead": {
    what: "a batch of the log that begins within a block writes zeros over what was there",
    plant: plantForgottenLead,
  },
  "half-counted": {
    what: "a count has keys of a write that is half made",
    plant: plantHalfCounted,
  },
  "kept-body": {
    what: "an entry is made in memory that was only lent",
    plant: plantKeptBody,
  },
  "lost-entries": {
    what: "applied entries are forgotten before their time",
    plant: plantForgottenEntries,
  },
  "lost-piece": {
    what: "a piece of a streamed range is lost",
    plant: plantLostPiece,
  },
  "short-checkpoint": {
    what: "a lease's checkpoint says less than is left",
    plant: plantShortCheckpoint,
  },
  "unasked-get": {
    what: "a get of one key does not wait for what was written before",
    plant: plantUnaskedGet,
  },
  "undead-watch": {
    what: "a cancelled watch goes on",
    plant: plantUndeadWatch,
  },
  "unnoted-views": {
    what: "memory of records is used again while somebody has a view of it",
    plant: plantUnnotedViews,
  },
  "empty-save": {
    what: "a follower acknowledges entries again before they are synced",
    plant: plantEmptySaveBug,
  },
};
