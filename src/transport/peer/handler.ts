/**
 * What peers ask of this member's peer port: streams to read from, and single messages. Snapshots
 * are in snapshot-receiver.ts. Nothing is done for a request before its version and its cluster
 * have been checked.
 */
import { Message } from "../../api/gen/raft.ts";
import { SERVER_VERSION } from "../../api/version.ts";
import { formatID } from "../../base/ids.ts";
import type { HttpHandler, HttpRequest, HttpResponse } from "../../env/http.ts";
import type { PeerNode } from "../../env/peers.ts";
import { admitPost, clusterHeader, type HandlerHost } from "./admission.ts";
import { answerForbidden, answerNoContent, answerText, answerWrongMethod } from "./answers.ts";
import { parseMemberID, refusalOf } from "./checks.ts";
import { GuardedBody } from "./guarded-body.ts";
import {
  MAX_PEER_MESSAGE_BYTES,
  PEER_BODY_STALL_TIMEOUT_MS,
  PEER_BODY_TIMEOUT_MS,
} from "./limits.ts";
import { RAFT_PATH } from "./pipeline.ts";
import { PROBING_PATH, probeAnswer } from "./prober.ts";
import { SnapshotReceiver } from "./snapshot-receiver.ts";
import { SNAPSHOT_PATH } from "./snapshot-sender.ts";
import { STREAM_PREFIX, type StreamKind } from "./stream-kind.ts";

export class PeerHandler implements HttpHandler {
  readonly #host: HandlerHost;
  readonly #snapshots: SnapshotReceiver;
  readonly #bodies = new Set<GuardedBody>();

  constructor(host: HandlerHost) {
    this.#host = host;
    this.#snapshots = new SnapshotReceiver(host);
  }

  handle(request: HttpRequest, response: HttpResponse): void {
    const { node, clock } = this.#host;
    const { path } = request;
    if (path === PROBING_PATH) {
      response.head(200, { "content-type": "text/plain; charset=utf-8" });
      response.end(probeAnswer(clock.wallMs()));
    } else if (node === undefined) {
      answerText(response, 503, "peer network is not running");
    } else if (path === RAFT_PATH) {
      void this.#message(request, response, node);
    } else if (path === SNAPSHOT_PATH) {
      void this.#snapshots.receive(request, response, node);
    } else if (path.startsWith(`${STREAM_PREFIX}/`)) {
      this.#stream(request, response, node);
    } else {
      answerText(response, 404, "404 page not found");
    }
  }

  /** Fails what is being received, and waits until nothing is delivered any more. */
  async stop(): Promise<void> {
    for (const body of this.#bodies) body.fail(new Error("stopped"));
    await this.#snapshots.stop();
  }

  /** Never rejects. */
  async #message(request: HttpRequest, response: HttpResponse, node: PeerNode): Promise<void> {
    const { logger, meter, clock } = this.#host;
    if (!admitPost(this.#host, request, response, node)) return;
    const headers = clusterHeader(node);
    const failed = (line: string, text: string, error: unknown): void => {
      logger.warn(line, { "local-member-id": formatID(node.memberID), error });
      meter.receivedFailures.of(request.remote).add();
      answerText(response, 400, text, headers);
    };
    const guarded = new GuardedBody(request.bodyChunks(), clock, PEER_BODY_STALL_TIMEOUT_MS);
    const timer = clock.setTimer(PEER_BODY_TIMEOUT_MS, () => {
      guarded.fail(new Error("read: i/o timeout"));
    });
    this.#bodies.add(guarded);
    let body: Buffer;
    try {
      body = await guarded.readAll(MAX_PEER_MESSAGE_BYTES);
    } catch (error) {
      failed("failed to read Raft message", "error reading raft message", error);
      return;
    } finally {
      timer.cancel();
      this.#bodies.delete(guarded);
    }
    let message: Message;
    try {
      message = Message.decode(body);
    } catch (error) {
      failed("failed to unmarshal Raft message", "error unmarshalling raft message", error);
      return;
    }
    meter.receivedBytes.of(formatID(message.from)).add(body.length);
    const refusal = this.#host.refuse(message);
    if (refusal !== undefined) {
      answerForbidden(response, refusal, headers);
      return;
    }
    const objection = node.receive(message);
    if (objection === undefined) {
      answerNoContent(response, headers);
      return;
    }
    meter.receivedFailures.of(request.remote).add();
    answerText(response, 400, objection, headers);
  }

  #stream(request: HttpRequest, response: HttpResponse, node: PeerNode): void {
    if (request.method !== "GET") {
      answerWrongMethod(response, "GET");
      return;
    }
    const headers = { "X-Server-Version": SERVER_VERSION, ...clusterHeader(node) };
    const refuse = (status: number, text: string): void => {
      answerText(response, status, text, headers);
    };
    const refusal = refusalOf(request.headers, node, this.#host.logger);
    if (refusal !== undefined) {
      refuse(412, refusal);
      return;
    }
    const [, kind, fromText] = STREAM_PATH.exec(request.path) ?? [];
    if (kind === undefined || fromText === undefined) {
      refuse(404, "invalid path");
      return;
    }
    const { logger } = this.#host;
    const local = formatID(node.memberID);
    const fields = { "local-member-id": local, "remote-peer-id-stream-handler": local };
    const from = parseMemberID(fromText);
    if (from === undefined) {
      logger.warn("failed to parse path into ID", { ...fields, path: fromText });
      refuse(404, "invalid from");
      return;
    }
    const sender = { ...fields, "remote-peer-id-from": formatID(from) };
    if (node.isRemoved(from)) {
      logger.warn("rejected stream from remote peer because it was removed", sender);
      refuse(410, "removed member");
      return;
    }
    const cluster = { "cluster-id": formatID(node.clusterID) };
    if (!this.#host.isPeer(from)) {
      // The members may have learnt of it before this one has.
      const urls = request.headers["x-peerurls"] ?? "";
      if (urls !== "") this.#host.addRemote(from, urls.split(","));
      logger.warn("failed to find remote peer in cluster", { ...sender, ...cluster });
      refuse(404, "error sender not found");
      return;
    }
    const to = request.headers["x-raft-to"] ?? "";
    if (to !== local) {
      const named = { ...sender, ...cluster, "remote-peer-id-header": to };
      logger.warn("ignored streaming request; ID mismatch", named);
      refuse(412, "to field mismatch");
      return;
    }
    response.head(200, headers);
    this.#host.attach(from, kind as StreamKind, response);
  }
}

/** The stream's kind and its reader. */
const STREAM_PATH = /^\/raft\/stream\/(msgapp|message)\/([^/]*)$/;
