/**
 * How far the backend has applied the log. Written in the same transaction as the changes it
 * covers, just before a batch is sealed, so that replay after a crash applies each entry exactly
 * once.
 */
import type { ConfState } from "../api/gen/raft.ts";
import { type Backend, META_BUCKET } from "../backend/types.ts";
import { bytesFromUtf8, viewAsBuffer } from "../base/bytes.ts";
import type { Index, Term } from "../base/ids.ts";

const CONSISTENT_INDEX_KEY = bytesFromUtf8("consistent_index");
const TERM_KEY = bytesFromUtf8("term");
const CONF_STATE_KEY = bytesFromUtf8("confState");

export function readConsistentIndex(backend: Backend): Index {
  return readUint64(backend, CONSISTENT_INDEX_KEY);
}

function readUint64(backend: Backend, key: Uint8Array): number {
  const value = backend.get(META_BUCKET, key);
  if (value === undefined || value.length !== 8) return 0;
  return Number(viewAsBuffer(value).readBigUInt64BE(0));
}

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
    this.#term = readUint64(backend, TERM_KEY);
    this.#savedIndex = this.#index;
  }

  get index(): Index {
    return this.#index;
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
      this.#backend.put(META_BUCKET, CONSISTENT_INDEX_KEY, uint64(this.#index));
      this.#backend.put(META_BUCKET, TERM_KEY, uint64(this.#term));
    }
    if (this.#confState !== undefined && this.#confState !== this.#savedConfState) {
      this.#savedConfState = this.#confState;
      this.#backend.put(META_BUCKET, CONF_STATE_KEY, bytesFromUtf8(toJSON(this.#confState)));
    }
  }
}

function uint64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/** Go's JSON of the message: ids as bare numbers, empty lists left out, auto_leave always there. */
function toJSON(state: ConfState): string {
  const lists: [string, readonly bigint[]][] = [
    ["voters", state.voters],
    ["learners", state.learners],
    ["voters_outgoing", state.votersOutgoing],
    ["learners_next", state.learnersNext],
  ];
  const parts = lists
    .filter(([, ids]) => ids.length > 0)
    .map(([name, ids]) => `"${name}":[${ids.join(",")}]`);
  return `{${[...parts, `"auto_leave":${state.autoLeave}`].join(",")}}`;
}
