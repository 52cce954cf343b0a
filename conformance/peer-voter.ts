/**
 * A second member that consists of a raft core in memory behind our peer transport, and nothing
 * else: what a Go member needs to see of a peer in order to elect, commit and hand proposals over.
 */
import { type Entry, EntryType, type Message } from "../src/api/gen/raft.ts";
import { assert } from "../src/base/assert.ts";
import { type ClusterID, formatID, type MemberID } from "../src/base/ids.ts";
import {
  type DatabaseImage,
  type HttpHandler,
  type PeerNode,
  SystemClock,
} from "../src/env/index.ts";
import { MemoryLogger, NullMetrics, SeededRandom } from "../src/env/testing/index.ts";
import { computeClusterID, computeMemberID } from "../src/membership/index.ts";
import {
  confChangeOf,
  emptyConfState,
  MemoryStorage,
  newEntry,
  newSnapshot,
  RawNode,
} from "../src/raft/index.ts";
import { type Listener, listen } from "../src/transport/listener.ts";
import { PeerTransport } from "../src/transport/peer/peer-transport.ts";
import { EtcdProcess } from "./harness.ts";
import { freePorts } from "../src/base/testing/free-ports.ts";

const TOKEN = "etcd-cluster";
const TICK_MS = 100;

export interface VoterOptions {
  /** Peer URLs of all members, this one's included; they decide the ids. */
  readonly peerUrls: readonly string[];
  readonly port: number;
  /** Ticks of 100 ms; many make a member that never campaigns by itself. */
  readonly electionTicks: number;
}

export interface ReceivedSnapshot {
  readonly message: Message;
  readonly bytes: number;
  readonly head: Buffer;
}

export class Voter implements PeerNode, AsyncDisposable {
  readonly memberID: MemberID;
  readonly clusterID: ClusterID;
  readonly logger = new MemoryLogger();
  readonly network: PeerTransport;
  readonly raft: RawNode;
  readonly applied: Entry[] = [];
  readonly kinds = new Set<number>();
  readonly snapshots: ReceivedSnapshot[] = [];
  readonly snapshotReports: boolean[] = [];
  readonly #storage = new MemoryStorage();
  readonly #url: string;
  readonly #clock = new SystemClock();
  #listener: Listener | undefined;
  #ticker: NodeJS.Timeout | undefined;
  readonly #others: ReadonlyMap<MemberID, string>;
  #onChange: (() => void)[] = [];

  constructor(options: VoterOptions) {
    const { peerUrls, port, electionTicks } = options;
    this.#url = `http://127.0.0.1:${port}`;
    const ids = new Map(peerUrls.map((url) => [computeMemberID([url], TOKEN), url]));
    this.memberID = computeMemberID([this.#url], TOKEN);
    this.clusterID = computeClusterID([...ids.keys()]);
    ids.delete(this.memberID);
    this.#others = ids;
    // As every etcd starts: one committed entry of term 1 per member. Only the place counts here.
    const voters = [this.memberID, ...ids.keys()];
    const none = new Uint8Array(0);
    this.#storage.applySnapshot(newSnapshot(0, 0, { ...emptyConfState(), voters }, none));
    this.#storage.append(voters.map((_, i) => ({ ...newEntry(0, none), index: i + 1, term: 1 })));
    this.#storage.setHardState({ term: 1, vote: 0n, commit: voters.length });
    this.raft = new RawNode({
      id: this.memberID,
      electionTicks,
      heartbeatTicks: 1,
      storage: this.#storage,
      maxSizePerMsgBytes: 512 * 1024,
      maxInflightMsgs: 512,
      random: new SeededRandom(1),
      logger: { enabled: () => false, debug() {}, info() {}, warning() {}, error() {} },
    });
    const { logger } = this;
    const metrics = new NullMetrics();
    const random = new SeededRandom(2);
    this.network = new PeerTransport(
      { clock: this.#clock, logger, metrics, random },
      { dialTimeoutMs: 2_000 },
    );
  }

  async start(port: number): Promise<void> {
    const http: HttpHandler = {
      handle: (request, response) => {
        if (request.path !== "/version") {
          this.network.handler.handle(request, response);
          return;
        }
        response.head(200, { "content-type": "application/json" });
        response.end('{"etcdserver":"3.4.23","etcdcluster":"3.4.0"}');
      },
    };
    const { logger } = this;
    this.#listener = await listen(
      { host: "127.0.0.1", port },
      { http, methods: [], clock: this.#clock, logger, http1RequestTimeoutMs: 0 },
    );
    this.network.start(this);
    for (const [id, url] of this.#others) this.network.addPeer(id, [url]);
    this.#ticker = setInterval(() => {
      this.raft.tick();
      this.run();
    }, TICK_MS);
  }

  /** Waits until `check` holds; looks whenever something was applied, received or reported. */
  until(check: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (check()) resolve();
        else this.#onChange.push(look);
      };
      look();
    });
  }

  /** The data of applied entries that contain `text`. */
  appliedWith(text: string): number {
    return this.applied.filter(({ data }) => Buffer.from(data).includes(text)).length;
  }

  run(): void {
    const { raft } = this;
    while (raft.hasReady()) {
      const ready = raft.ready();
      if (ready.snapshot !== undefined) this.#storage.applySnapshot(ready.snapshot);
      this.#storage.append(ready.entries);
      if (ready.hardState !== undefined) this.#storage.setHardState(ready.hardState);
      this.network.send(ready.messages);
      for (const entry of ready.committedEntries) {
        const change = entry.type === EntryType.EntryNormal ? undefined : confChangeOf(entry);
        if (change !== undefined) raft.applyConfChange(change, entry.index);
        this.applied.push(entry);
      }
      raft.advance();
    }
    this.#changed();
  }

  sendSnapshot(message: Message, image: DatabaseImage): void {
    this.network.sendSnapshot(message, image);
  }

  get otherID(): MemberID {
    const [id] = this.#others.keys();
    assert(id !== undefined, "a voter has another member");
    return id;
  }

  // PeerNode.

  peerURLs(): readonly string[] {
    return [this.#url];
  }
  isRemoved(): boolean {
    return false;
  }
  clusterVersion(): string | undefined {
    return undefined;
  }
  receive(message: Message): undefined {
    this.kinds.add(message.type);
    this.raft.step(message);
    queueMicrotask(() => this.run());
  }
  async receiveSnapshot(message: Message, database: AsyncIterable<Uint8Array>): Promise<void> {
    let bytes = 0;
    let head = Buffer.alloc(0);
    for await (const chunk of database) {
      if (bytes < 32) head = Buffer.concat([head, chunk]).subarray(0, 64);
      bytes += chunk.length;
    }
    this.snapshots.push({ message, bytes, head });
    this.raft.step(message);
    this.run();
  }
  reportGone(): void {}

  reportUnreachable(id: MemberID): void {
    this.raft.reportUnreachable(id);
  }
  reportSnapshot(id: MemberID, ok: boolean): void {
    this.raft.reportSnapshot(id, ok);
    this.snapshotReports.push(ok);
    this.#changed();
  }
  reportRemovedSelf(): void {
    throw new Error(`${formatID(this.memberID)} was removed`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#ticker);
    await this.network.stop();
    await this.#listener?.stop(0);
  }

  #changed(): void {
    const waiting = this.#onChange;
    this.#onChange = [];
    for (const look of waiting) look();
  }
}

export interface Pair extends AsyncDisposable {
  readonly go: EtcdProcess;
  readonly voter: Voter;
}

/** One cluster of a Go member and a voter of ours. */
export async function startPair(leader: "go" | "voter"): Promise<Pair> {
  const [client = 0, peer = 0, ours = 0] = await freePorts(3);
  const url = (port: number): string => `http://127.0.0.1:${port}`;
  const goElectionMs = leader === "go" ? 1_000 : 20_000;
  const go = new EtcdProcess(
    {
      kind: "reference",
      name: "go",
      flags: [
        `--initial-cluster=go=${url(peer)},ours=${url(ours)}`,
        `--initial-cluster-token=etcd-cluster`,
        `--election-timeout=${goElectionMs}`,
        "--heartbeat-interval=100",
      ],
    },
    client,
    peer,
  );
  const voter = new Voter({
    peerUrls: [url(peer), url(ours)],
    port: ours,
    electionTicks: leader === "go" ? 10_000 : 10,
  });
  go.launch();
  await voter.start(ours);
  await go.waitForLog(/ready to serve client requests|serving client traffic/);
  return {
    go,
    voter,
    async [Symbol.asyncDispose]() {
      await voter[Symbol.asyncDispose]();
      await go[Symbol.asyncDispose]();
    },
  };
}
