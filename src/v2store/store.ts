/**
 * The v2 store of a member. Below "/0" it shows the membership, which entries of the log change
 * through `Cluster`; it holds no data of users yet.
 */
import type { Snapshot } from "../api/gen/raft.ts";
import type { Membership } from "../membership/index.ts";
import { encodeDocument } from "./encode-document.ts";
import { membershipOfSnapshot } from "./read-document.ts";

export class V2Store {
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

  /** The membership in the snapshot that was loaded last: what replayed entries build upon. */
  get documented(): Membership {
    return this.#documented;
  }

  /** For a snapshot of this moment, in UTF-8. */
  encodeDocument(): Uint8Array {
    return encodeDocument(this.#current);
  }

  /**
   * Reads a snapshot that is about to take the place of the state; nothing changes until the
   * returned function is called. Throws `SyntaxError`.
   */
  prepareReload(snapshot: Snapshot): () => void {
    const documented = membershipOfSnapshot(snapshot);
    return () => {
      this.#documented = documented;
    };
  }
}
