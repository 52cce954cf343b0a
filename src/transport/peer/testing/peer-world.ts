/** Members' networks over real sockets, with nodes that only remember what they are told. */
import { errorMessage } from "../../../base/error-message.ts";
import type { Message } from "../../../api/gen/raft.ts";
import { Message as MessageCodec, MessageType } from "../../../api/gen/raft.ts";
import type { ClusterID, MemberID } from "../../../base/ids.ts";
import type { Clock } from "../../../env/clock.ts";
import type { DatabaseImage, PeerNode } from "../../../env/peers.ts";
import { MemoryLogger, SeededRandom } from "../../../env/testing/index.ts";
import { MetricsRegistry } from "../../../platform/metrics.ts";
import { SystemClock } from "../../../env/system-clock.ts";
import { type Listener, listen } from "../../listener.ts";
import { PeerTransport, type PeerTransportOptions } from "../peer-transport.ts";

export const CLUSTER: ClusterID = 0xc1n;

/** Waits for what a test expects; the test's own timeout is the limit. */
export class Watched {
  #waiting: { readonly check: () => boolean; readonly resolve: () => void }[] = [];

  changed(): void {
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ check, resolve }) => {
      if (!check()) return true;
      resolve();
      return false;
    });
  }

  until(check: () => boolean): Promise<void> {
    if (check()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ check, resolve }));
  }
}

export class RecordingNode implements PeerNode {
  readonly gone: MemberID[] = [];
  readonly memberID: MemberID;
  readonly clusterID: ClusterID;
  readonly watched: Watched;
  readonly removed = new Set<MemberID>();
  urls: readonly string[] = [];
  readonly received: Message[] = [];
  readonly snapshots: { readonly message: Message; readonly database: Buffer }[] = [];
  readonly failedSnapshots: string[] = [];
  readonly unreachable: MemberID[] = [];
  readonly snapshotReports: { readonly id: MemberID; readonly ok: boolean }[] = [];
  removedSelf = 0;
  /** Called for each chunk of a database. */
  onChunk: (bytes: number) => Promise<void> | void = () => {};

  constructor(memberID: MemberID, clusterID: ClusterID, watched: Watched) {
    this.memberID = memberID;
    this.clusterID = clusterID;
    this.watched = watched;
  }

  peerURLs(): readonly string[] {
    return this.urls;
  }
  isRemoved(id: MemberID): boolean {
    return this.removed.has(id);
  }
  clusterVersion(): string | undefined {
    return undefined;
  }
  receive(message: Message): string | undefined {
    if (message.type === MessageType.MsgSnap) return "wrong raft message type";
    this.received.push(message);
    this.watched.changed();
    return undefined;
  }
  async receiveSnapshot(message: Message, database: AsyncIterable<Uint8Array>): Promise<void> {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    try {
      for await (const chunk of database) {
        parts.push(chunk);
        bytes += chunk.length;
        await this.onChunk(bytes);
      }
    } catch (error) {
      this.failedSnapshots.push(errorMessage(error));
      this.watched.changed();
      throw error;
    }
    this.snapshots.push({ message, database: Buffer.concat(parts) });
    this.watched.changed();
  }
  reportGone(id: MemberID): void {
    this.gone.push(id);
  }

  reportUnreachable(id: MemberID): void {
    this.unreachable.push(id);
    this.watched.changed();
  }
  reportSnapshot(id: MemberID, ok: boolean): void {
    this.snapshotReports.push({ id, ok });
    this.watched.changed();
  }
  reportRemovedSelf(): void {
    this.removedSelf++;
    this.watched.changed();
  }
}

/** Tells its lines to those who wait. */
class WatchedLogger extends MemoryLogger {
  readonly #watched: Watched;

  constructor(watched: Watched) {
    super();
    this.#watched = watched;
  }

  protected override log(...line: Parameters<MemoryLogger["log"]>): void {
    super.log(...line);
    this.#watched.changed();
  }
}

export interface TestMember extends AsyncDisposable {
  readonly id: MemberID;
  readonly url: string;
  readonly node: RecordingNode;
  readonly network: PeerTransport;
  readonly logger: MemoryLogger;
  readonly registry: MetricsRegistry;
  readonly watched: Watched;
  readonly listener: Listener;
}

export interface TestMemberOptions extends Partial<PeerTransportOptions> {
  readonly clusterID?: ClusterID;
  readonly watched?: Watched;
  readonly clock?: Clock;
}

export async function startMember(
  id: MemberID,
  options: TestMemberOptions = {},
): Promise<TestMember> {
  const watched = options.watched ?? new Watched();
  const node = new RecordingNode(id, options.clusterID ?? CLUSTER, watched);
  const logger = new WatchedLogger(watched);
  const registry = new MetricsRegistry();
  const clock = options.clock ?? new SystemClock();
  const deps = { clock, logger, metrics: registry, random: new SeededRandom(Number(id)) };
  const network = new PeerTransport(deps, { dialTimeoutMs: 2_000, ...options });
  const listener = await listen(
    { host: "127.0.0.1", port: 0 },
    {
      http: network.handler,
      methods: [],
      clock,
      logger,
      http1RequestTimeoutMs: 0,
    },
  );
  const port = "port" in listener.address ? listener.address.port : 0;
  const url = `http://127.0.0.1:${port}`;
  node.urls = [url];
  network.start(node);
  return {
    id,
    url,
    node,
    network,
    logger,
    registry,
    watched,
    listener,
    async [Symbol.asyncDispose]() {
      await network.stop();
      await listener.stop(0);
    },
  };
}

/** Makes members known to each other, and waits until all their streams are up. */
export async function connect(...members: readonly TestMember[]): Promise<void> {
  for (const a of members) {
    for (const b of members) if (a !== b) a.network.addPeer(b.id, [b.url]);
  }
  const expected = (members.length - 1) * 4;
  for (const { logger, watched } of members) {
    await watched.until(() => establishedStreams(logger) >= expected);
  }
}

export function establishedStreams(logger: MemoryLogger): number {
  const text = "established TCP streaming connection with remote peer";
  return logger.lines.filter(({ message }) => message === text).length;
}

export function message(init: Partial<Message>): Message {
  return MessageCodec.create(init);
}

/** `count` entries of `bytes` bytes behind `index`. */
export function append(from: MemberID, to: MemberID, index: number, sizes: number[]): Message {
  const entries = sizes.map((bytes, i) => ({
    type: 0,
    term: 3,
    index: index + 1 + i,
    data: Buffer.alloc(bytes, (index + i) & 0xff),
  }));
  return message({
    type: MessageType.MsgApp,
    from,
    to,
    term: 3,
    logTerm: 3,
    index,
    commit: index,
    entries,
  });
}

export function snapshotTo(from: MemberID, to: MemberID): Message {
  const confState = {
    voters: [from, to],
    learners: [],
    votersOutgoing: [],
    learnersNext: [],
    autoLeave: false,
  };
  const snapshot = {
    data: Buffer.from("members"),
    metadata: { index: 42, term: 3, confState },
  };
  return message({ type: MessageType.MsgSnap, from, to, term: 3, snapshot });
}

/** A database whose bytes depend on their place. */
export function image(sizeBytes: number, onChunk: (bytes: number) => void = () => {}) {
  const content = Buffer.alloc(sizeBytes);
  for (let i = 0; i + 4 <= sizeBytes; i += 4) content.writeUInt32LE(i, i);
  let closed = 0;
  const database: DatabaseImage = {
    sizeBytes,
    async *chunks(chunkBytes: number) {
      for (let at = 0; at < sizeBytes; at += chunkBytes) {
        onChunk(at);
        yield content.subarray(at, Math.min(at + chunkBytes, sizeBytes));
      }
    },
    close: () => {
      closed++;
    },
  };
  return {
    database,
    content,
    get closed() {
      return closed;
    },
  };
}
