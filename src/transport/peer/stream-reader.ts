/**
 * The reading end of one stream of a peer: dials it, reads messages from the answer, and dials
 * again when the connection ends for whatever reason. The pause between dials grows to a second and
 * ends early when the peer shows that it is back.
 */
import { copyBytes } from "../../base/bytes.ts";
import { errorMessage } from "../../base/error-message.ts";
import type { EtcdUrl } from "../../base/etcd-url.ts";
import type { Timer } from "../../env/clock.ts";
import type { AnswerHead } from "./answer-reader.ts";
import {
  CLUSTER_ID_MISMATCH,
  headersOf,
  INCOMPATIBLE_VERSION,
  REMOVED_MEMBER,
  speaksStreams,
} from "./checks.ts";
import type { DialedStream } from "./dialed-stream.ts";
import type { StreamDecoder } from "./frame.ts";
import {
  MAX_REDIAL_MS,
  MAX_REFUSAL_BYTES,
  MIN_REDIAL_MS,
  PEER_TICKS_PER_TIMEOUT,
} from "./limits.ts";
import type { PeerContext } from "./peer-context.ts";
import { failureText } from "./peer-http.ts";
import { newDecoder, STREAM_NAMES, STREAM_PREFIX, type StreamKind } from "./stream-kind.ts";

/** `url` is where `stream` leads. */
interface Connected {
  readonly stream: DialedStream;
  readonly url: EtcdUrl;
}

type State =
  | { readonly kind: "waiting"; readonly timer: Timer }
  | ({ readonly kind: "dialing" } & Connected)
  | ({ readonly kind: "refused"; readonly head: AnswerHead; readonly text: Buffer[] } & Connected)
  | ({ readonly kind: "reading"; readonly decoder: StreamDecoder } & Connected)
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
    if (state.kind === "waiting" || state.kind === "stopped") return;
    if (++this.#idleTicks >= PEER_TICKS_PER_TIMEOUT) this.#onEnd("read: i/o timeout");
  }

  stop(): void {
    const state = this.#state;
    this.#state = { kind: "stopped" };
    if (state.kind === "waiting") state.timer.cancel();
    else if (state.kind !== "stopped") state.stream.destroy();
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
    const request = { method: "GET", path, headers };
    const stream = http.openStream(url, request, {
      onAnswer: (head) => this.#onAnswer({ stream, url }, head),
      onBody: (bytes) => this.#onBody(bytes),
      onEnd: (error) => this.#onStreamEnd(error, url),
    });
    return { kind: "dialing", stream, url };
  }

  #onAnswer(connected: Connected, head: AnswerHead): void {
    if (head.status !== 200) {
      this.#state = { kind: "refused", head, text: [], ...connected };
      return;
    }
    const { node, id, status, logger, localText } = this.#context;
    const { headers } = head;
    const cluster = headers["x-etcd-cluster-id"];
    const expected = headersOf(node)["X-Etcd-Cluster-ID"];
    if (!speaksStreams(headers)) {
      this.#fail(connected, "unsupported stream type");
    } else if (cluster !== expected) {
      this.#logClusterMismatch(cluster);
      this.#fail(connected, CLUSTER_ID_MISMATCH);
    } else {
      const decoder = newDecoder(this.#kind, node.memberID, id);
      this.#state = { kind: "reading", decoder, ...connected };
      this.#idleTicks = 0;
      status.activate();
      logger.info("established TCP streaming connection with remote peer", this.#fields());
      logger.debug("set message decoder", { from: this.#context.idText, to: localText });
    }
  }

  #onBody(bytes: Buffer): void {
    const state = this.#state;
    if (state.kind === "reading") this.#read(state.decoder, bytes);
    else if (state.kind === "refused") {
      const length = state.text.reduce((sum, part) => sum + part.length, bytes.length);
      if (length > MAX_REFUSAL_BYTES) this.#fail(state, "refusal is too long");
      else state.text.push(Buffer.from(bytes));
    }
  }

  #read(decoder: StreamDecoder, bytes: Buffer): void {
    const { receivedBytes, deliver, id } = this.#context;
    this.#idleTicks = 0;
    this.#pauseMs = MIN_REDIAL_MS;
    receivedBytes.add(bytes.length);
    try {
      decoder.push(copyBytes(bytes));
      for (;;) {
        const message = decoder.next();
        if (message === undefined) return;
        deliver(message, id);
        const state = this.#state;
        if (state.kind !== "reading" || state.decoder !== decoder) return;
      }
    } catch (error) {
      const { meter, idText } = this.#context;
      meter.receivedFailures.of(idText).add();
      this.#onEnd(errorMessage(error));
    }
  }

  #onStreamEnd(error: NodeJS.ErrnoException | undefined, url: EtcdUrl): void {
    const state = this.#state;
    if (error === undefined && state.kind === "refused") {
      const text = Buffer.concat(state.text).toString("utf8").replace(/\n$/, "");
      this.#fail(state, this.#refusal(state.head, text));
      return;
    }
    if (state.kind === "dialing" && error?.code === "ECONNREFUSED") {
      this.#context.node.reportGone(this.#context.id);
    }
    this.#onEnd(error === undefined ? "EOF" : failureText(error, url));
  }

  /** The connection is over, for the first reason given. */
  #onEnd(reason: string): void {
    const state = this.#state;
    if (state.kind === "dialing" || state.kind === "refused") this.#fail(state, reason);
    if (state.kind !== "reading") return;
    const { status, logger } = this.#context;
    state.stream.destroy();
    logger.warn("lost TCP streaming connection with remote peer", {
      ...this.#fields(),
      error: reason,
    });
    // What the peer closes in good order may be about to be replaced.
    if (reason !== "EOF") status.deactivate(STREAM_NAMES[this.#kind], "read", reason);
    this.#wait();
  }

  #fail({ stream, url }: Connected, reason: string): void {
    const { urls, status } = this.#context;
    stream.destroy();
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

  /** The reason of a refusal; a removed member's node is told. */
  #refusal({ status, headers }: AnswerHead, text: string): string {
    const { node, logger, idText, localText } = this.#context;
    const cluster = headers["x-etcd-cluster-id"];
    switch (status) {
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
        return `unhandled http status ${status}`;
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
