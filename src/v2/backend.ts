/** What the HTTP of the v2 API asks of the member behind it. */
import type { Request } from "../api/gen/etcdserver.ts";
import type { ClusterID, Index, MemberID, Term } from "../base/ids.ts";
import type { Metrics } from "../env/metrics.ts";
import type { PasswordHasher } from "../env/secrets.ts";
import type { Logger } from "../env/logger.ts";
import type { Member } from "../membership/index.ts";
import type {
  Listing,
  Statistics,
  StoreEvent,
  Watcher,
  WatchListener,
  WatchOptions,
} from "../v2store/index.ts";

/** The keys, by their paths in the store: those of users are below "/1". */
export interface V2Keys {
  /** Undefined where nobody counts. */
  readonly statistics: Readonly<Statistics> | undefined;
  /** Throws or rejects with `V2Error`. */
  get(path: string, listing: Listing): StoreEvent | Promise<StoreEvent>;
  /** The value of a key on this member; undefined when there is none. */
  value(path: string): string | undefined;
  /**
   * `onEnd`: the watch is over, and it was not asked to be. Throws or rejects with `V2Error` when
   * events from the asked index on are gone.
   */
  watch(
    path: string,
    options: WatchOptions,
    listener: WatchListener,
    onEnd: () => void,
  ): Watcher | Promise<Watcher>;
}

/** Each change rejects with an `EtcdError`. */
export interface V2Members {
  /** Sorted by id. */
  list(): readonly Member[];
  /** Undefined during an election. */
  leader(): Member | undefined;
  /** Resolves with the new member. */
  add(peerURLs: readonly string[]): Promise<Member>;
  remove(id: MemberID): Promise<unknown>;
  update(id: MemberID, peerURLs: readonly string[]): Promise<unknown>;
  isRemoved(id: MemberID): boolean;
}

/** Slows down who guesses passwords. `address` is that of the client, with its port. */
export interface V2Logins {
  /** Throws `EtcdError` while this user may not try again from there. */
  check(user: string, address: string): void;
  /** In whose line the attempt is to wait. */
  laneOf(user: string, address: string): string;
  failed(user: string, address: string): void;
  succeeded(user: string, address: string): void;
}

export interface V2Backend {
  readonly clusterID: ClusterID;
  readonly memberID: MemberID;
  /** Of the last committed entry, and of raft now: for headers. */
  readonly raftIndex: Index;
  readonly raftTerm: Term;
  readonly isLeader: boolean;
  readonly keys: V2Keys;
  readonly members: V2Members;
  /**
   * Resolves with what a request did that went through the log. Rejects with a `V2Error`, or with an
   * `EtcdError` when it is not known to have been applied.
   */
  propose(request: Request): Promise<StoreEvent | undefined>;
  readonly passwords: PasswordHasher;
  readonly logins: V2Logins;
  readonly metrics: Metrics;
  /** Milliseconds since 1970. */
  readonly wallMs: () => number;
  /** Milliseconds, to measure how long something takes. */
  readonly nowMs: () => number;
  /** What a peer wrote, or this member, since it started. */
  readonly stats: { self(): unknown; leader(): unknown };
  readonly clientCertAuth: boolean;
  /** Aborted when the member is about to stop: no wait may go on. */
  readonly draining: AbortSignal;
  readonly logger: Logger;
}
