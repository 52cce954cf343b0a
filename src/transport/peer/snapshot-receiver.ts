/**
 * Receives a MsgSnap with its database. The node gets the database as it arrives, so a slow disk
 * slows the sender down. A body that breaks off, stalls, or is stopped fails in the node's hands;
 * the node then rejects, and nothing has happened.
 */
import { errorMessage } from "../../base/error-message.ts";
import { MessageType, type Message } from "../../api/gen/raft.ts";
import { humanizeBytes } from "../../base/go-text.ts";
import { formatDuration } from "../../base/go-text.ts";
import { formatID } from "../../base/ids.ts";
import type { HttpRequest, HttpResponse } from "../../env/http.ts";
import { PeerMessageError, type PeerNode } from "../../env/peers.ts";
import { admitPost, clusterHeader, type HandlerHost } from "./admission.ts";
import { answerForbidden, answerNoContent, answerText } from "./answers.ts";
import { GuardedBody } from "./guarded-body.ts";
import { LENGTH_BYTES, messageName, PeerStreamError } from "./frame.ts";
import {
  MAX_INCOMING_SNAPSHOTS,
  MAX_SNAPSHOT_MESSAGE_BYTES,
  SNAPSHOT_STALL_TIMEOUT_MS,
} from "./limits.ts";
import { MessageDecoder } from "./message-codec.ts";

const UNKNOWN_SENDER = "UNKNOWN_SNAPSHOT_SENDER";
/** As etcd names the sender of what it could not decode. */
const NO_SENDER = formatID(0n);

export class SnapshotReceiver {
  readonly #host: HandlerHost;
  readonly #bodies = new Map<GuardedBody, Promise<void>>();

  constructor(host: HandlerHost) {
    this.#host = host;
  }

  /** Never rejects. */
  async receive(request: HttpRequest, response: HttpResponse, node: PeerNode): Promise<void> {
    const { clock, meter } = this.#host;
    if (!admitPost(this.#host, request, response, node)) {
      meter.snapshotReceive.failures.of(UNKNOWN_SENDER).add();
      return;
    }
    if (this.#bodies.size >= MAX_INCOMING_SNAPSHOTS) {
      meter.snapshotReceive.failures.of(UNKNOWN_SENDER).add();
      answerText(response, 503, "too many snapshots are being received", clusterHeader(node));
      return;
    }
    const body = new GuardedBody(request.bodyChunks(), clock, SNAPSHOT_STALL_TIMEOUT_MS);
    const done = this.#receive(request, response, node, body);
    this.#bodies.set(body, done);
    await done;
    this.#bodies.delete(body);
    await body.return();
  }

  async stop(): Promise<void> {
    for (const body of this.#bodies.keys()) body.fail(new Error("stopped"));
    await Promise.all(this.#bodies.values());
  }

  async #receive(
    request: HttpRequest,
    response: HttpResponse,
    node: PeerNode,
    body: GuardedBody,
  ): Promise<void> {
    const { logger, meter } = this.#host;
    const local = formatID(node.memberID);
    const decoder = new MessageDecoder(MAX_SNAPSHOT_MESSAGE_BYTES);
    let message: Message;
    try {
      message = await firstMessage(body, decoder);
    } catch (error) {
      logger.warn("failed to decode Raft message", {
        "local-member-id": local,
        "remote-snapshot-sender-id": NO_SENDER,
        error,
      });
      meter.receivedFailures.of(request.remote).add();
      meter.snapshotReceive.failures.of(NO_SENDER).add();
      const text = `failed to decode raft message (${goReason(error)})`;
      answerText(response, 400, text, clusterHeader(node));
      return;
    }
    const from = formatID(message.from);
    const fields = { "local-member-id": local, "remote-snapshot-sender-id": from };
    if (message.type !== MessageType.MsgSnap || message.snapshot === undefined) {
      const type = messageName(message.type);
      logger.warn("unexpected Raft message type", { ...fields, "message-type": type });
      meter.snapshotReceive.failures.of(from).add();
      answerText(response, 400, "wrong raft message type", clusterHeader(node));
      return;
    }
    const refusal = this.#host.refuse(message);
    if (refusal !== undefined) {
      meter.snapshotReceive.failures.of(from).add();
      answerForbidden(response, refusal, clusterHeader(node));
      return;
    }
    meter.snapshotReceive.inflights.of(from).add(1);
    await this.#store(message, decoder, body, response, node);
    meter.snapshotReceive.inflights.of(from).add(-1);
  }

  async #store(
    message: Message,
    decoder: MessageDecoder,
    body: GuardedBody,
    response: HttpResponse,
    node: PeerNode,
  ): Promise<void> {
    const { logger, meter, clock } = this.#host;
    const startMs = clock.nowMs();
    const from = formatID(message.from);
    const receive = meter.snapshotReceive;
    const fields = {
      "local-member-id": formatID(node.memberID),
      "remote-snapshot-sender-id": from,
      "incoming-snapshot-index": message.snapshot?.metadata.index ?? 0,
    };
    const rest = decoder.rest();
    const messageBytes = body.bytes - rest.reduce((sum, chunk) => sum + chunk.length, 0);
    logger.info("receiving database snapshot", {
      ...fields,
      "incoming-snapshot-message-size-bytes": messageBytes,
      "incoming-snapshot-message-size": humanizeBytes(messageBytes),
    });
    try {
      await node.receiveSnapshot(message, databaseOf(rest, body));
    } catch (error) {
      const reason = errorMessage(error);
      logger.warn("failed to save incoming database snapshot", { ...fields, error: reason });
      receive.failures.of(from).add();
      if (error instanceof PeerMessageError) {
        answerText(response, 400, reason, clusterHeader(node));
        return;
      }
      const text = `failed to save KV snapshot (${reason})`;
      answerText(response, 500, text, clusterHeader(node));
      return;
    }
    const tookMs = clock.nowMs() - startMs;
    const size = body.bytes - messageBytes;
    logger.info("received and saved database snapshot", {
      ...fields,
      "incoming-snapshot-size-bytes": size,
      "incoming-snapshot-size": humanizeBytes(size),
      "download-took": formatDuration(tookMs),
    });
    meter.receivedBytes.of(from).add(body.bytes);
    receive.success.of(from).add();
    receive.seconds.of(from).observe(tookMs / 1_000);
    answerNoContent(response, clusterHeader(node));
  }
}

async function firstMessage(body: GuardedBody, decoder: MessageDecoder): Promise<Message> {
  for (;;) {
    const chunk = await body.next();
    if (chunk.done === true) {
      // As Go's reader: it stopped before a part or within one.
      const isBetween = body.bytes === 0 || body.bytes === LENGTH_BYTES;
      throw new Error(isBetween ? "EOF" : "unexpected EOF");
    }
    decoder.push(chunk.value);
    const message = decoder.nextFrame();
    if (message !== undefined) return message;
  }
}

async function* databaseOf(
  rest: readonly Uint8Array[],
  body: GuardedBody,
): AsyncGenerator<Uint8Array, void, void> {
  yield* rest;
  yield* body;
}

/** What etcd answers to a message that cannot be read; the log has our own words. */
function goReason(error: unknown): string {
  if (!(error instanceof PeerStreamError)) return errorMessage(error);
  if (error.kind === "tooLong") return "rafthttp: error limit exceeded";
  const wireType = /^illegal wire type (\d)/.exec(error.message)?.[1];
  if (wireType !== undefined) return `proto: illegal wireType ${wireType}`;
  return error.message.startsWith("unexpected end of message") ? "unexpected EOF" : error.message;
}
