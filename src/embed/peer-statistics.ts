/**
 * What a member and its peers tell each other, as `/v2/stats` shows it: how many appends, how large,
 * how fast. It stands between the member and its network, and only where the v2 API is served.
 */
import { type Message, MessageType } from "../api/gen/raft.ts";
import { formatDuration } from "../base/go-text.ts";
import { formatID, type MemberID } from "../base/ids.ts";
import type { Clock } from "../env/clock.ts";
import type { PeerNetwork, PeerNode } from "../env/peers.ts";

/** Appends that the rates are computed of, as in etcd. */
const RATE_SAMPLES = 200;
/** Rates of a member that has been silent for so long are 0. */
const RATE_SILENCE_MS = 1000;
/** What a message has besides its entries, about. */
const MESSAGE_OVERHEAD_BYTES = 40;
/** etcd's latency before there is any. */
const NO_LATENCY = 2 ** 63;

/** The last appends in one direction. */
class Flow {
  count = 0;
  #samples: { readonly atMs: number; readonly bytes: number }[] = [];

  add(atMs: number, bytes: number): void {
    this.count++;
    if (this.#samples.length === RATE_SAMPLES) this.#samples.shift();
    this.#samples.push({ atMs, bytes });
  }

  /** Per second; undefined while there is nothing to say. */
  rates(nowMs: number): { readonly packages: number; readonly bytes: number } | undefined {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined) return undefined;
    if (nowMs - last.atMs > RATE_SILENCE_MS) this.#samples = [];
    const seconds = (last.atMs - first.atMs) / 1000;
    if (this.#samples.length === 0 || seconds === 0) return undefined;
    const bytes = this.#samples.reduce((sum, sample) => sum + sample.bytes, 0);
    return { packages: this.#samples.length / seconds, bytes: bytes / seconds };
  }
}

/** From an append to its acknowledgement, in milliseconds. */
class Latency {
  #sentMs: number | undefined;
  #current = 0;
  #sum = 0;
  #squares = 0;
  #minimum = NO_LATENCY;
  #maximum = 0;
  #success = 0;
  fail = 0;

  sent(nowMs: number): void {
    this.#sentMs ??= nowMs;
  }

  acknowledged(nowMs: number): void {
    if (this.#sentMs === undefined) return;
    const took = nowMs - this.#sentMs;
    this.#sentMs = undefined;
    this.#success++;
    this.#current = took;
    this.#sum += took;
    this.#squares += took * took;
    this.#minimum = Math.min(this.#minimum, took);
    this.#maximum = Math.max(this.#maximum, took);
  }

  shown(): unknown {
    const count = Math.max(1, this.#success);
    const average = this.#sum / count;
    const variance = Math.max(0, this.#squares / count - average * average);
    return {
      latency: {
        current: this.#current,
        average,
        standardDeviation: Math.sqrt(variance),
        minimum: this.#minimum,
        maximum: this.#maximum,
      },
      counts: { fail: this.fail, success: this.#success },
    };
  }
}

export class PeerStatistics {
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #sent = new Flow();
  readonly #received = new Flow();
  readonly #latencies = new Map<MemberID, Latency>();
  #leader: MemberID | undefined;
  #leaderSinceMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.wallMs();
    this.#leaderSinceMs = this.#startMs;
  }

  /** The same network, with all that passes counted. */
  metered(network: PeerNetwork): PeerNetwork {
    return {
      start: (node) => network.start(this.#meteredNode(node)),
      send: (messages) => {
        for (const message of messages) this.#observeSent(message);
        network.send(messages);
      },
      addPeer: (id, urls) => network.addPeer(id, urls),
      addRemote: (id, urls) => network.addRemote(id, urls),
      updatePeer: (id, urls) => network.updatePeer(id, urls),
      removePeer: (id) => {
        this.#latencies.delete(id);
        network.removePeer(id);
      },
      sendSnapshot: (message, image) => network.sendSnapshot(message, image),
      activeSinceMs: (id) => network.activeSinceMs(id),
      request: (request) => network.request(request),
      stop: () => network.stop(),
    };
  }

  #meteredNode(node: PeerNode): PeerNode {
    return {
      memberID: node.memberID,
      clusterID: node.clusterID,
      peerURLs: () => node.peerURLs(),
      isRemoved: (id) => node.isRemoved(id),
      clusterVersion: () => node.clusterVersion(),
      receive: (message) => {
        this.#observeReceived(message);
        return node.receive(message);
      },
      receiveSnapshot: (message, database) => node.receiveSnapshot(message, database),
      reportUnreachable: (id) => {
        this.#latencyOf(id).fail++;
        node.reportUnreachable(id);
      },
      reportGone: (id) => node.reportGone(id),
      reportSnapshot: (id, ok) => node.reportSnapshot(id, ok),
      reportRemovedSelf: () => node.reportRemovedSelf(),
    };
  }

  #observeSent(message: Message): void {
    if (message.type !== MessageType.MsgApp) return;
    const nowMs = this.#clock.nowMs();
    this.#sent.add(nowMs, sizeOf(message));
    this.#latencyOf(message.to).sent(nowMs);
  }

  #observeReceived(message: Message): void {
    const nowMs = this.#clock.nowMs();
    if (message.type === MessageType.MsgAppResp) this.#latencyOf(message.from).acknowledged(nowMs);
    if (message.type !== MessageType.MsgApp) return;
    this.#received.add(nowMs, sizeOf(message));
  }

  #latencyOf(id: MemberID): Latency {
    let latency = this.#latencies.get(id);
    if (latency === undefined) this.#latencies.set(id, (latency = new Latency()));
    return latency;
  }

  /** Of a member that takes this one for the leader. */
  self(name: string, id: MemberID, leader: MemberID): unknown {
    if (leader !== this.#leader) {
      this.#leaderSinceMs = this.#leader === undefined ? this.#startMs : this.#clock.wallMs();
      this.#leader = leader;
    }
    const nowMs = this.#clock.nowMs();
    const received = this.#received.rates(nowMs);
    const sent = this.#sent.rates(nowMs);
    return {
      name,
      id: formatID(id),
      state: leader === id ? "StateLeader" : "StateFollower",
      startTime: timeText(this.#startMs),
      leaderInfo: {
        leader: leader === 0n ? "" : formatID(leader),
        uptime: formatDuration(this.#clock.wallMs() - this.#leaderSinceMs),
        startTime: timeText(this.#leaderSinceMs),
      },
      recvAppendRequestCnt: this.#received.count,
      recvPkgRate: received?.packages,
      recvBandwidthRate: received?.bytes,
      sendAppendRequestCnt: this.#sent.count,
      sendPkgRate: sent?.packages,
      sendBandwidthRate: sent?.bytes,
    };
  }

  /** Of the member that leads. */
  leader(id: MemberID, peers: readonly MemberID[]): unknown {
    const followers = peers.map((peer) => [formatID(peer), this.#latencyOf(peer).shown()] as const);
    return { leader: formatID(id), followers: Object.fromEntries(followers) };
  }
}

function sizeOf({ entries }: Message): number {
  let bytes = MESSAGE_OVERHEAD_BYTES;
  for (const { data } of entries) bytes += data.length;
  return bytes;
}

/** As Go prints a time: without zeros at the end of the fraction. */
function timeText(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/\.?0*Z$/, "Z");
}
