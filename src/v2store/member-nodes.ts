/** The membership in the tree of the v2 store, below "/0": written as etcd up to 3.5 writes it. */
import type { MemberID } from "../base/ids.ts";
import { goJSON, type Member } from "../membership/index.ts";
import { V2_CODE, V2Error } from "./errors.ts";
import type { KeyStore } from "./key-store.ts";
import {
  attributesPath,
  memberDirectory,
  MEMBERS_PATH,
  raftAttributesPath,
  removedMemberPath,
  VERSION_PATH,
} from "./paths.ts";

/** What the cluster decides about a member. */
export interface RaftAttributes {
  readonly peerURLs: readonly string[];
  readonly isLearner: boolean;
}

export class MemberNodes {
  readonly #keys: KeyStore;

  constructor(keys: KeyStore) {
    this.#keys = keys;
  }

  /** A look for members, which only counts. */
  look(): void {
    unless(V2_CODE.keyNotFound, () =>
      this.#keys.get(MEMBERS_PATH, { isRecursive: true, isSorted: true }),
    );
  }

  /** Does nothing for one that is there. */
  add({ id, peerURLs, isLearner }: Member): void {
    const value = raftAttributesJSON({ peerURLs, isLearner });
    unless(V2_CODE.keyExists, () => this.#keys.create(raftAttributesPath(id), value));
  }

  /** Does nothing for one that is not there. */
  remove(id: MemberID): void {
    unless(V2_CODE.keyNotFound, () => {
      this.#keys.delete(memberDirectory(id), true, true);
      this.mark(id);
    });
  }

  /** An id that is never used again. */
  mark(id: MemberID): void {
    unless(V2_CODE.keyExists, () => this.#keys.create(removedMemberPath(id), ""));
  }

  /** Does nothing for one that is not there. */
  change(id: MemberID, change: Partial<RaftAttributes>): void {
    const text = this.#keys.valueAt(raftAttributesPath(id));
    if (text === undefined) return;
    const { peerURLs = [], isLearner = false } = JSON.parse(text) as Partial<RaftAttributes>;
    const value = raftAttributesJSON({ peerURLs, isLearner, ...change });
    this.#keys.update(raftAttributesPath(id), value);
  }

  /** What a member tells of itself. Does nothing for one that is not there. */
  publish(id: MemberID, name: string, clientURLs: readonly string[]): void {
    if (this.#keys.valueAt(raftAttributesPath(id)) === undefined) return;
    this.#keys.set(attributesPath(id), attributesJSON(name, clientURLs));
  }

  setVersion(version: string): void {
    this.#keys.set(VERSION_PATH, version);
  }
}

/** What is empty is left out, as etcd has it. */
export function attributesJSON(name: string, clientURLs: readonly string[]): string {
  return goJSON({
    name: name === "" ? undefined : name,
    clientURLs: clientURLs.length === 0 ? undefined : clientURLs,
  });
}

function raftAttributesJSON({ peerURLs, isLearner }: RaftAttributes): string {
  return goJSON(isLearner ? { peerURLs, isLearner } : { peerURLs });
}

function unless(code: number, operation: () => unknown): void {
  try {
    operation();
  } catch (error) {
    if (!(error instanceof V2Error) || error.code !== code) throw error;
  }
}
