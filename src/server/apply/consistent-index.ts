/**
 * How far the backend has applied the log. Written in the same transaction as the changes it
 * covers, just before a batch is sealed, so that replay after a crash applies each entry exactly
 * once.
 */
import type { ConfState } from "../../api/gen/raft.ts";
import type { Backend, Reader } from "../../backend/types.ts";
import type { Index, Term } from "../../base/ids.ts";
import {
  readAppliedTerm,
  readConsistentIndex,
  writeConfState,
  writeConsistentIndex,
} from "../../backend/index.ts";

export { readConsistentIndex };

export class ConsistentIndex {
  readonly #backend: Backend;
  #index: Index;
  #term: Term;
  #savedIndex: Index;
  #confState: ConfState | undefined;
  #savedConfState: ConfState | undefined;

  constructor(backend: Backend) {
    this.#backend = backend;
    this.#index = readConsistentIndex(backend);
    this.#term = readAppliedTerm(backend);
    this.#savedIndex = this.#index;
  }

  get index(): Index {
    return this.#index;
  }

  /**
   * Reads how far another db is, which is about to take the place of the backend's; nothing changes
   * until the returned function is called. What was to be saved of the old state is forgotten then:
   * written into the new db, it would let entries be applied twice (etcd issues 13908, 13933).
   */
  prepareReload(reader: Reader): () => void {
    const index = readConsistentIndex(reader);
    const term = readAppliedTerm(reader);
    return () => {
      this.#index = index;
      this.#term = term;
      this.#savedIndex = index;
      this.#confState = undefined;
      this.#savedConfState = undefined;
    };
  }

  /** The entry at `index` has been applied, all of it in the open batch. */
  advance(index: Index, term: Term): void {
    this.#index = index;
    this.#term = term;
  }

  /** The configuration of raft after the entries applied so far. */
  setConfState(confState: ConfState): void {
    this.#confState = confState;
  }

  /** Joins the open batch. For `Backend.onBeforeCommit`. */
  save(): void {
    if (this.#index !== this.#savedIndex) {
      this.#savedIndex = this.#index;
      writeConsistentIndex(this.#backend, this.#index, this.#term);
    }
    if (this.#confState !== undefined && this.#confState !== this.#savedConfState) {
      this.#savedConfState = this.#confState;
      writeConfState(this.#backend, this.#confState);
    }
  }
}
