/**
 * What must hold after every event of a cluster: one leader a term, committed entries equal on all
 * members for ever, leaders that have everything committed, revisions that never go back.
 */
import type { Entry } from "../../src/api/gen/raft.ts";
import {
  formatID,
  type Index,
  type MemberID,
  type Revision,
  type Term,
} from "../../src/base/ids.ts";
import type { EtcdServer } from "../../src/server/index.ts";
import type { Member } from "../../src/testing/world/member.ts";
import type { Observer } from "../../src/testing/world/world.ts";

interface Seen {
  readonly server: EtcdServer;
  commit: Index;
  term: Term;
  revision: Revision;
  authRevision: number;
  isLeader: boolean;
}

interface Committed {
  readonly term: Term;
  /** Term of the member that was first seen to know it: it was committed then or before. */
  readonly byTerm: Term;
  readonly digest: number;
}

export class RaftInvariants implements Observer {
  readonly #violated: (message: string) => void;
  readonly #leaders = new Map<Term, MemberID>();
  readonly #committed = new Map<Index, Committed>();
  readonly #seen = new Map<Member, Seen>();
  /** Highest index that any member knew to be committed. */
  maxCommitted: Index = 0;
  leaderChanges = 0;

  constructor(violated: (message: string) => void) {
    this.#violated = violated;
  }

  started(member: Member, server: EtcdServer): void {
    const first = server.raft.node.raft.log.firstIndex();
    this.#seen.set(member, {
      server,
      commit: first - 1,
      term: 0,
      revision: server.store.currentRevision,
      authRevision: server.auth.store.revision,
      isLeader: false,
    });
  }

  observe(member: Member, server: EtcdServer): void {
    const seen = this.#seen.get(member);
    if (seen === undefined || seen.server !== server) return;
    const { raft } = server.raft.node;
    if (raft.term < seen.term) {
      this.#violated(`${member.name}: the term went back from ${seen.term} to ${raft.term}`);
    }
    seen.term = raft.term;
    const isLeader = raft.lead === server.memberID;
    if (isLeader && (!seen.isLeader || this.#leaders.get(raft.term) !== server.memberID)) {
      this.#checkLeader(member, server);
    }
    seen.isLeader = isLeader;
    if (raft.log.committed !== seen.commit) this.#checkCommitted(member, server, seen);
    const revision = server.store.currentRevision;
    if (revision < seen.revision) {
      this.#violated(`${member.name}: the revision went back from ${seen.revision} to ${revision}`);
    }
    seen.revision = revision;
    const authRevision = server.auth.store.revision;
    if (authRevision < seen.authRevision) {
      const { name } = member;
      this.#violated(`${name}: auth went back from ${seen.authRevision} to ${authRevision}`);
    }
    seen.authRevision = authRevision;
  }

  /** Undefined where nobody has been seen to know of an entry. */
  committedTerm(index: Index): Term | undefined {
    return this.#committed.get(index)?.term;
  }

  /**
   * A new cluster begins from the committed log up to `index`, by a member that was in `term`. The
   * returned function takes that back.
   */
  beginAnew(index: Index, term: Term): () => void {
    const before = [...this.#committed];
    const leaders = [...this.#leaders];
    const { maxCommitted } = this;
    for (const [known] of before) if (known > index) this.#committed.delete(known);
    for (const [known] of leaders) if (known > term) this.#leaders.delete(known);
    this.maxCommitted = Math.min(maxCommitted, index);
    this.#seen.clear();
    return () => {
      for (const [known, committed] of before) this.#committed.set(known, committed);
      for (const [known, leader] of leaders) this.#leaders.set(known, leader);
      this.maxCommitted = maxCommitted;
    };
  }

  #checkLeader(member: Member, server: EtcdServer): void {
    const { term, log } = server.raft.node.raft;
    const known = this.#leaders.get(term);
    if (known !== undefined && known !== server.memberID) {
      this.#violated(`two leaders in term ${term}: ${formatID(known)} and ${member.name}`);
    }
    if (known !== undefined) return;
    this.#leaders.set(term, server.memberID);
    this.leaderChanges++;
    const first = log.firstIndex();
    for (let index = Math.max(first, 1); index <= this.maxCommitted; index++) {
      const committed = this.#committed.get(index);
      // A leader of an older term that learns of its election late need not have it.
      if (committed === undefined || committed.byTerm >= term) continue;
      if (log.term(index) === committed.term) continue;
      this.#violated(`${member.name} leads term ${term} without the committed entry ${index}`);
      return;
    }
  }

  #checkCommitted(member: Member, server: EtcdServer, seen: Seen): void {
    const { log } = server.raft.node.raft;
    if (log.committed < seen.commit) {
      const message = `the commit index went back from ${seen.commit} to ${log.committed}`;
      this.#violated(`${member.name}: ${message}`);
    }
    const from = Math.max(seen.commit + 1, log.firstIndex());
    seen.commit = log.committed;
    this.maxCommitted = Math.max(this.maxCommitted, log.committed);
    if (from > log.committed) return;
    const entries = log.slice(from, log.committed + 1, Number.POSITIVE_INFINITY) ?? [];
    for (const entry of entries) this.#checkEntry(member, entry, seen.term);
  }

  #checkEntry(member: Member, entry: Entry, byTerm: Term): void {
    const digest = digestOf(entry);
    const known = this.#committed.get(entry.index);
    if (known === undefined) {
      this.#committed.set(entry.index, { term: entry.term, byTerm, digest });
    } else if (known.term !== entry.term || known.digest !== digest) {
      this.#violated(
        `${member.name} committed another entry at ${entry.index}: ` +
          `term ${entry.term}, before it was of term ${known.term}`,
      );
    }
  }
}

function digestOf(entry: Entry): number {
  let digest = entry.type ^ 0x811c9dc5;
  for (const byte of entry.data) digest = Math.imul(digest ^ byte, 16777619);
  return digest;
}
