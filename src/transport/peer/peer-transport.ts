/**
 * `PeerNetwork` over sockets, with etcd's wire between members. Each member dials two streams at
 * each other one and reads them; what it has to say itself it writes on the streams that the others
 * have dialed, or POSTs while there is none. The peer port serves `handler`.
 *
 * Invariants: nothing is delivered before `start` or after `stop`; what waits for a peer is bounded
 * in number and bytes; a peer that is slow, gone or talks rubbish costs the others nothing.
 */
import { errorMessage } from "../../base/error-message.ts";
import { type Message, MessageType } from "../../api/gen/raft.ts";
import { assert } from "../../base/assert.ts";
import { type EtcdUrl, parseEtcdUrl } from "../../base/etcd-url.ts";
import { TextError } from "../../base/go-text.ts";
import { formatID, type MemberID } from "../../base/ids.ts";
import type { Clock, Timer } from "../../env/clock.ts";
import type { HttpHandler } from "../../env/http.ts";
import type { Logger } from "../../env/logger.ts";
import type { Metrics } from "../../env/metrics.ts";
import {
  type DatabaseImage,
  type PeerNetwork,
  type PeerNode,
  type PeerRequest,
  PeerRequestError,
  type PeerResponse,
} from "../../env/peers.ts";
import type { Random } from "../../env/random.ts";
import { FlushQueue } from "../flush-queue.ts";
import type { HandlerHost } from "./admission.ts";
import { messageName } from "./frame.ts";
import { PeerHandler } from "./handler.ts";
import { MAX_REMOTES, PEER_IO_TIMEOUT_MS, PEER_TICKS_PER_TIMEOUT } from "./limits.ts";
import { Peer, Remote } from "./peer.ts";
import type { PeerDeps } from "./peer-context.ts";
import { type Dial, dialPeer, PeerHttp } from "./peer-http.ts";
import { type NetworkMeter, networkMeter } from "./peer-meter.ts";
import { parsePeerUrls } from "./peer-urls.ts";

export interface PeerTransportDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly random: Random;
}

export interface PeerTransportOptions {
  /** Until a connection is open. etcd: 1 s and the election timeout. */
  readonly dialTimeoutMs: number;
  /** Silence of a peer after which its connections are broken. Default 5 s, as etcd. */
  readonly readTimeoutMs?: number | undefined;
  /** A peer that takes nothing for this long loses its stream. Default 5 s, as etcd. */
  readonly writeTimeoutMs?: number | undefined;
  /** Default: plain TCP and unix sockets, TLS with the system's authorities. */
  readonly dial?: Dial | undefined;
}

/** Idle connections go before a Go member's timeout would close them under a request. */
const KEEP_IDLE_SHARE = 0.9;

export class PeerTransport implements PeerNetwork {
  /** Serves /raft and what is below it on the peer port. */
  readonly handler: HttpHandler;
  readonly #deps: PeerTransportDeps;
  readonly #options: PeerTransportOptions;
  readonly #meter: NetworkMeter;
  readonly #handler: PeerHandler;
  readonly #requests: PeerHttp;
  readonly #flushQueue = new FlushQueue();
  readonly #peers = new Map<MemberID, Peer>();
  readonly #remotes = new Map<MemberID, Remote>();
  #peerDeps: PeerDeps | undefined;
  #ticker: Timer | undefined;
  #stopped = false;

  constructor(deps: PeerTransportDeps, options: PeerTransportOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#meter = networkMeter(deps.metrics);
    this.#requests = this.#newHttp(0);
    this.#handler = new PeerHandler(this.#host());
    this.handler = this.#handler;
  }

  start(node: PeerNode): void {
    assert(this.#peerDeps === undefined, "a peer network starts once");
    const { clock, logger, random } = this.#deps;
    const { writeTimeoutMs = PEER_IO_TIMEOUT_MS } = this.#options;
    this.#peerDeps = {
      clock,
      logger,
      random,
      meter: this.#meter,
      writeTimeoutTicks: Math.ceil(writeTimeoutMs / this.#tickMs),
      node,
      deliver: (message, from) => {
        this.#deliver(node, message, from);
      },
    };
    this.#tick();
  }

  addPeer(id: MemberID, peerURLs: readonly string[]): void {
    const deps = this.#started();
    if (this.#stopped || this.#peers.has(id) || id === deps.node.memberID) return;
    const urls = this.#parse(id, peerURLs);
    if (urls === undefined) return;
    this.#dropRemote(id);
    this.#peers.set(id, new Peer(deps, this.#newPeerHttp(), id, urls, this.#flushQueue));
    deps.logger.info("added remote peer", this.#named("remote-peer", id, peerURLs));
  }

  addRemote(id: MemberID, peerURLs: readonly string[]): void {
    const deps = this.#started();
    if (this.#stopped || this.#peers.has(id) || this.#remotes.has(id)) return;
    if (id === deps.node.memberID || id === 0n || deps.node.isRemoved(id)) return;
    const urls = this.#parse(id, peerURLs);
    if (urls === undefined) return;
    if (this.#remotes.size >= MAX_REMOTES) {
      const [oldest] = this.#remotes.keys();
      this.#dropRemote(oldest as MemberID);
    }
    this.#remotes.set(id, new Remote(deps, this.#newPeerHttp(), id, urls));
    deps.logger.info("added new remote peer", this.#named("remote-peer", id, peerURLs));
  }

  updatePeer(id: MemberID, peerURLs: readonly string[]): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    const urls = this.#parse(id, peerURLs);
    if (urls === undefined) return;
    peer.update(urls);
    this.#deps.logger.info("updated remote peer", this.#named("updated-remote-peer", id, peerURLs));
  }

  removePeer(id: MemberID): void {
    const { logger } = this.#deps;
    this.#dropRemote(id);
    const peer = this.#peers.get(id);
    const fields = this.#named("removed-remote-peer", id);
    if (peer === undefined) {
      logger.warn("skipped removing already removed peer", fields);
      return;
    }
    this.#peers.delete(id);
    peer.stop();
    logger.info("removed remote peer", fields);
  }

  send(messages: readonly Message[]): void {
    for (let i = 0; i < messages.length; i++) {
      const message = messages[i] as Message;
      const { to } = message;
      if (to === 0n) continue;
      const peer = this.#peers.get(to) ?? this.#remotes.get(to);
      if (peer !== undefined) peer.send(message);
      else this.#logUnknown(message);
    }
  }

  sendSnapshot(message: Message, image: DatabaseImage): void {
    const { node } = this.#started();
    const peer = this.#peers.get(message.to);
    if (peer !== undefined) {
      peer.sendSnapshot(message, image);
      return;
    }
    this.#logUnknown(message);
    queueMicrotask(() => {
      image.close();
      node.reportSnapshot(message.to, false);
    });
  }

  activeSinceMs(id: MemberID): number | undefined {
    return this.#peers.get(id)?.activeSinceMs;
  }

  async request(request: PeerRequest): Promise<PeerResponse> {
    if (this.#stopped) throw new PeerRequestError("unreachable", "stopped");
    let url: EtcdUrl;
    try {
      url = parseEtcdUrl(request.url);
    } catch (error) {
      const text = errorMessage(error);
      throw new PeerRequestError("unreachable", text);
    }
    return this.#requests.exchange(url, { ...request, headers: request.headers ?? {} });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#ticker?.cancel();
    for (const peer of this.#peers.values()) peer.stop();
    for (const remote of this.#remotes.values()) remote.stop();
    this.#peers.clear();
    this.#remotes.clear();
    this.#requests.close();
    await this.#handler.stop();
  }

  get #readTimeoutMs(): number {
    return this.#options.readTimeoutMs ?? PEER_IO_TIMEOUT_MS;
  }

  get #tickMs(): number {
    return this.#readTimeoutMs / PEER_TICKS_PER_TIMEOUT;
  }

  #started(): PeerDeps {
    assert(this.#peerDeps !== undefined, "the peer network has not started");
    return this.#peerDeps;
  }

  #tick(): void {
    this.#ticker = this.#deps.clock.setTimer(this.#tickMs, () => {
      for (const peer of this.#peers.values()) peer.tick();
      this.#tick();
    });
  }

  #host(): HandlerHost {
    const { clock, logger } = this.#deps;
    const transport = this;
    return {
      clock,
      logger,
      meter: this.#meter,
      get node() {
        return transport.#stopped ? undefined : transport.#peerDeps?.node;
      },
      refuse: (message) => this.#refuse(this.#started().node, message, 0n),
      addRemote: (id, peerURLs) => this.addRemote(id, peerURLs),
      isPeer: (id) => this.#peers.has(id),
      attach: (id, kind, response) => this.#peers.get(id)?.attach(kind, response),
    };
  }

  /** `from` is the peer whose stream it came on, which is known to be no removed member, or 0. */
  #deliver(node: PeerNode, message: Message, from: MemberID): string | undefined {
    return this.#refuse(node, message, from) ?? node.receive(message);
  }

  #refuse(node: PeerNode, message: Message, from: MemberID): string | undefined {
    const { logger } = this.#deps;
    if (this.#stopped) return "peer network is stopped";
    if (message.from !== from && node.isRemoved(message.from)) {
      logger.warn("rejected Raft message from removed member", {
        "local-member-id": formatID(node.memberID),
        "removed-member-id": formatID(message.from),
      });
      return "cannot process message from removed member";
    }
    if (message.to !== node.memberID) {
      logger.warn("rejected Raft message to mismatch member", {
        "local-member-id": formatID(node.memberID),
        "mismatch-member-id": formatID(message.to),
      });
      return "cannot process message to mismatch member";
    }
    if (from !== 0n && message.type === MessageType.MsgSnap) {
      logger.warn("unexpected Raft message type", { "message-type": messageName(message.type) });
      return "wrong raft message type";
    }
    return undefined;
  }

  #dropRemote(id: MemberID): void {
    this.#remotes.get(id)?.stop();
    this.#remotes.delete(id);
  }

  #parse(id: MemberID, peerURLs: readonly string[]): EtcdUrl[] | undefined {
    try {
      return parsePeerUrls(peerURLs);
    } catch (error) {
      if (!(error instanceof TextError)) throw error;
      this.#deps.logger.error("failed NewURLs", {
        "remote-peer-id": formatID(id),
        urls: peerURLs,
        error,
      });
      return undefined;
    }
  }

  #logUnknown(message: Message): void {
    this.#deps.logger.debug("ignored message send request; unknown remote peer target", {
      type: messageName(message.type),
      "unknown-target-peer-id": formatID(message.to),
    });
  }

  #named(what: string, id: MemberID, urls?: readonly string[]) {
    return {
      "local-member-id": formatID(this.#started().node.memberID),
      [`${what}-id`]: formatID(id),
      ...(urls !== undefined && { [`${what}-urls`]: urls }),
    };
  }

  /** Each peer has its own connections, so that they end with it. */
  #newPeerHttp(): PeerHttp {
    return this.#newHttp(this.#readTimeoutMs * KEEP_IDLE_SHARE);
  }

  #newHttp(keepIdleMs: number): PeerHttp {
    const { dialTimeoutMs, dial = dialPeer } = this.#options;
    return new PeerHttp({ clock: this.#deps.clock, dial, dialTimeoutMs, keepIdleMs });
  }
}
