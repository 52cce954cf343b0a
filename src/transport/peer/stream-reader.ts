/**
 * The reading end of one stream of a peer: dials it, reads messages from the answer, and dials
 * again when the connection ends for whatever reason. The pause between dials grows to a second and
 * ends early when the peer shows that it is back.
 */
import { errorMessage } from "../../base/error-message.ts";
import type { ClientRequest, IncomingMessage } from "node:http";
import type { EtcdUrl } from "../../base/etcd-url.ts";
import type { Timer } from "../../env/clock.ts";
import {
  CLUSTER_ID_MISMATCH,
  headersOf,
  INCOMPATIBLE_VERSION,
  REMOVED_MEMBER,
  speaksStreams,
} from "./checks.ts";
import type { StreamDecoder } from "./frame.ts";
import {
  MAX_REDIAL_MS,
  MAX_REFUSAL_BYTES,
  MIN_REDIAL_MS,
  PEER_TICKS_PER_TIMEOUT,
} from "./limits.ts";
import type { PeerContext } from "./peer-context.ts";
import { failureText, headersOfAnswer } from "./peer-http.ts";
import { newDecoder, STREAM_NAMES, STREAM_PREFIX, type StreamKind } from "./stream-kind.ts";

type State =
  | { readonly kind: "waiting"; readonly timer: Timer }
  | { readonly kind: "dialing"; readonly request: ClientRequest; readonly url: EtcdUrl }
  | { readonly kind: "reading"; readonly request: ClientRequest }
  | { readonly kind: "stopped" };

export class StreamReader {
  readonly #context: PeerContext;
  readonly #kind: StreamKind;
  #state: State;
  #pauseMs = MIN_REDIAL_MS;
  /** Looks at the connection since its last byte. */
  #idleTicks = 0;

  constructor(context: PeerContext, kind: StreamKind) {
    this.#context = context;
    this.#kind = kind;
    context.logger.info("started stream reader with remote peer", this.#fields());
    this.#state = this.#dial();
  }

  /** The peer is back, or has other URLs: dial now if nothing is under way. */
  hurry(): void {
    this.#pauseMs = MIN_REDIAL_MS;
    if (this.#state.kind !== "waiting") return;
    this.#state.timer.cancel();
    this.#state = this.#dial();
  }

  tick(): void {
    const state = this.#state;
    if (state.kind !== "dialing" && state.kind !== "reading") return;
    if (++this.#idleTicks < PEER_TICKS_PER_TIMEOUT) return;
    state.request.destroy(new Error("read: i/o timeout"));
  }

  stop(): void {
    const state = this.#state;
    this.#state = { kind: "stopped" };
    if (state.kind === "waiting") state.timer.cancel();
    else if (state.kind !== "stopped") state.request.destroy();
    this.#context.logger.info("stopped stream reader with remote peer", this.#fields());
  }

  #dial(): State {
    const { http, urls, node, idText, localText, logger } = this.#context;
    const url = urls.pick();
    this.#idleTicks = 0;
    const path = `${STREAM_PREFIX}/${this.#kind}/${localText}`;
    if (logger.enabled("debug")) {
      const address = `${url.href}${path}`;
      logger.debug("dial stream reader", { from: localText, to: idText, address });
    }
    const headers = { ...headersOf(node), "X-Raft-To": idText };
    const request = http.open(url, { method: "GET", path, headers });
    request.on("response", (answer) => this.#onAnswer(request, url, answer));
    request.on("error", (error) => {
      const isDialing = this.#isCurrent(request) && this.#state.kind === "dialing";
      const isRefused = "code" in error && error.code === "ECONNREFUSED";
      if (isDialing && isRefused) node.reportGone(this.#context.id);
      this.#onEnd(request, failureText(error, url));
    });
    request.on("close", () => this.#onEnd(request, "EOF"));
    request.end();
    return { kind: "dialing", request, url };
  }

  #isCurrent(request: ClientRequest): boolean {
    const state = this.#state;
    return (state.kind === "dialing" || state.kind === "reading") && state.request === request;
  }

  #onAnswer(request: ClientRequest, url: EtcdUrl, answer: IncomingMessage): void {
    if (!this.#isCurrent(request)) return;
    if (answer.statusCode !== 200) {
      this.#readRefusal(request, url, answer);
      return;
    }
    const { node, id, status, logger, localText } = this.#context;
    const headers = headersOfAnswer(answer);
    const cluster = headers["x-etcd-cluster-id"];
    const expected = headersOf(node)["X-Etcd-Cluster-ID"];
    if (!speaksStreams(headers)) {
      this.#fail(request, url, "unsupported stream type");
    } else if (cluster !== expected) {
      this.#logClusterMismatch(cluster);
      this.#fail(request, url, CLUSTER_ID_MISMATCH);
    } else {
      this.#state = { kind: "reading", request };
      this.#idleTicks = 0;
      status.activate();
      logger.info("established TCP streaming connection with remote peer", this.#fields());
      logger.debug("set message decoder", { from: this.#context.idText, to: localText });
      this.#read(request, url, answer, newDecoder(this.#kind, node.memberID, id));
    }
  }

  #read(
    request: ClientRequest,
    url: EtcdUrl,
    answer: IncomingMessage,
    decoder: StreamDecoder,
  ): void {
    const { receivedBytes, deliver, id } = this.#context;
    answer.on("data", (chunk: Buffer) => {
      if (!this.#isCurrent(request)) return;
      this.#idleTicks = 0;
      this.#pauseMs = MIN_REDIAL_MS;
      receivedBytes.add(chunk.length);
      try {
        decoder.push(chunk);
        for (;;) {
          const message = decoder.next();
          if (message === undefined) return;
          deliver(message, id);
          if (!this.#isCurrent(request)) return;
        }
      } catch (error) {
        const { meter, idText } = this.#context;
        meter.receivedFailures.of(idText).add();
        this.#onEnd(request, errorMessage(error));
      }
    });
    answer.on("error", (error) => this.#onEnd(request, failureText(error, url)));
    answer.on("end", () => this.#onEnd(request, "EOF"));
  }

  /** The connection is over, for the first reason given. */
  #onEnd(request: ClientRequest, reason: string): void {
    if (!this.#isCurrent(request)) return;
    const { status, logger } = this.#context;
    const name = STREAM_NAMES[this.#kind];
    if (this.#state.kind === "dialing") {
      this.#fail(request, this.#state.url, reason);
      return;
    }
    request.destroy();
    logger.warn("lost TCP streaming connection with remote peer", {
      ...this.#fields(),
      error: reason,
    });
    // What the peer closes in good order may be about to be replaced.
    if (reason !== "EOF") status.deactivate(name, "read", reason);
    this.#wait();
  }

  #fail(request: ClientRequest, url: EtcdUrl, reason: string): void {
    const { urls, status } = this.#context;
    request.destroy();
    urls.unreachable(url);
    status.deactivate(STREAM_NAMES[this.#kind], "dial", reason);
    this.#wait();
  }

  #wait(): void {
    const { clock, random } = this.#context;
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(pauseMs * 2, MAX_REDIAL_MS);
    // Up to a tenth more, so that the streams of a cluster do not all dial at once.
    const delayMs = pauseMs + random.below(Math.ceil(pauseMs / 10));
    const timer = clock.setTimer(delayMs, () => {
      this.#state = this.#dial();
    });
    this.#state = { kind: "waiting", timer };
  }

  #readRefusal(request: ClientRequest, url: EtcdUrl, answer: IncomingMessage): void {
    const parts: Buffer[] = [];
    let bytes = 0;
    answer.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MAX_REFUSAL_BYTES) parts.push(chunk);
      else if (this.#isCurrent(request)) this.#fail(request, url, "refusal is too long");
    });
    answer.on("error", (error) => this.#onEnd(request, failureText(error, url)));
    answer.on("end", () => {
      if (!this.#isCurrent(request)) return;
      const text = Buffer.concat(parts).toString("utf8").replace(/\n$/, "");
      this.#fail(request, url, this.#refusal(answer, text));
    });
  }

  /** The reason of a refusal; a removed member's node is told. */
  #refusal(answer: IncomingMessage, text: string): string {
    const { node, logger, idText, localText } = this.#context;
    const cluster = headersOfAnswer(answer)["x-etcd-cluster-id"];
    switch (answer.statusCode) {
      case 410:
        // Only the own cluster can remove a member.
        if (cluster === headersOf(node)["X-Etcd-Cluster-ID"]) node.reportRemovedSelf();
        return REMOVED_MEMBER;
      case 404:
        return `peer ${idText} failed to find local node ${localText}`;
      case 412:
        if (text === INCOMPATIBLE_VERSION) {
          logger.warn(
            "request sent was ignored by remote peer due to server version incompatibility",
            { "local-member-id": localText, "remote-peer-id": idText, error: text },
          );
          return text;
        }
        if (text === CLUSTER_ID_MISMATCH) {
          this.#logClusterMismatch(cluster);
          return text;
        }
        return `unhandled error ${JSON.stringify(text)} when precondition failed`;
      default:
        return `unhandled http status ${answer.statusCode}`;
    }
  }

  #logClusterMismatch(remoteCluster: string | undefined): void {
    const { logger, idText, localText, node } = this.#context;
    logger.warn("request sent was ignored by remote peer due to cluster ID mismatch", {
      "remote-peer-id": idText,
      "remote-peer-cluster-id": remoteCluster ?? "",
      "local-member-id": localText,
      "local-member-cluster-id": headersOf(node)["X-Etcd-Cluster-ID"],
      error: CLUSTER_ID_MISMATCH,
    });
  }

  #fields() {
    const { localText, idText } = this.#context;
    return {
      "stream-reader-type": STREAM_NAMES[this.#kind],
      "local-member-id": localText,
      "remote-peer-id": idText,
    };
  }
}
