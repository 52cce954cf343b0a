/**
 * The v2 store of a member, in one of two forms. Without the v2 API it is as in etcd 3.6: nothing of
 * its own, only the document that shows the membership. With it, it is as in etcd up to 3.5: a tree
 * that follows the log from the snapshot on, whatever the db has of the same entries already.
 */
import type { Request } from "../api/gen/etcdserver.ts";
import type { Snapshot } from "../api/gen/raft.ts";
import type { Slice, Steps } from "../base/slice.ts";
import type { Membership } from "../membership/index.ts";
import { encodeDocument } from "./encode-document.ts";
import { KeyStore } from "./key-store.ts";
import { MemberNodes } from "./member-nodes.ts";
import { readContent } from "./read-content.ts";
import { membershipOfSnapshot } from "./read-document.ts";
import { refuseUserData } from "./user-data.ts";
import type { StoreEvent } from "./views.ts";
import { writeDocumentInSteps } from "./write-document.ts";

export interface V2Store {
  /** The membership in the snapshot that was loaded last: what replayed entries build upon. */
  readonly documented: Membership;
  /** What users see; undefined without the v2 API. */
  readonly keys: KeyStore | undefined;
  /** Hears of each change of the membership in the log; undefined when it is shown as it is. */
  readonly members: MemberNodes | undefined;

  /** For a snapshot, in UTF-8. Nothing may be applied before the steps have ended. */
  documentInSteps(slice: Slice): Steps<Uint8Array>;

  /**
   * Reads a snapshot that is about to take the place of the state; nothing changes until the
   * returned function is called. Throws `SyntaxError`.
   */
  prepareReload(snapshot: Snapshot): () => void;

  /** Applies a request of a user. Throws `V2Error`, its answer, or `V2DataError` without the API. */
  apply(request: Request): StoreEvent | undefined;
}

/** Shows the membership, and holds no data of users. */
export class MembershipDocument implements V2Store {
  readonly keys: undefined;
  readonly members: undefined;
  readonly #current: Membership;
  #documented: Membership;

  /**
   * `current`: the membership, at each moment. `snapshot`: the one that the log begins behind.
   * Throws `SyntaxError` when it holds no document.
   */
  constructor(current: Membership, snapshot?: Snapshot) {
    this.#current = current;
    this.#documented = membershipOfSnapshot(snapshot);
  }

  get documented(): Membership {
    return this.#documented;
  }

  // biome-ignore lint/correctness/useYield: it is small.
  *documentInSteps(): Steps<Uint8Array> {
    return encodeDocument(this.#current);
  }

  prepareReload(snapshot: Snapshot): () => void {
    const documented = membershipOfSnapshot(snapshot);
    return () => {
      this.#documented = documented;
    };
  }

  apply(request: Request): undefined {
    refuseUserData(request);
  }
}

/** Holds what users of the v2 API have put there, beside the membership. */
export class LiveV2Store implements V2Store {
  readonly keys: KeyStore;
  readonly members: MemberNodes;
  #documented: Membership;

  /** `nowMs`: the wall clock, to show TTLs. `snapshot`: the one that the log begins behind. */
  constructor(nowMs: () => number, snapshot?: Snapshot) {
    this.#documented = membershipOfSnapshot(snapshot);
    this.keys = new KeyStore(nowMs);
    this.members = new MemberNodes(this.keys);
    if (hasDocument(snapshot)) this.keys.load(readContent(snapshot.data));
    else this.members.look();
  }

  get documented(): Membership {
    return this.#documented;
  }

  documentInSteps(slice: Slice): Steps<Uint8Array> {
    return writeDocumentInSteps(this.keys.content, slice);
  }

  prepareReload(snapshot: Snapshot): () => void {
    const documented = membershipOfSnapshot(snapshot);
    const content = readContent(snapshot.data);
    return () => {
      this.#documented = documented;
      this.keys.load(content);
    };
  }

  apply(request: Request): StoreEvent | undefined {
    return this.keys.apply(request);
  }
}

function hasDocument(snapshot: Snapshot | undefined): snapshot is Snapshot {
  return snapshot !== undefined && snapshot.data.length > 0;
}
