/**
 * Sends a MsgSnap with its database as one POST: the message as a frame, then the database as it
 * comes from the image, no faster than the peer takes it, with rests in which clients are served
 * (what a burst and a rest are: `limits.ts`). Whatever happens, the image is closed and
 * the node hears how it ended, once.
 */
import { once } from "node:events";
import type { ClientRequest, IncomingMessage } from "node:http";
import type { Message } from "../../api/gen/raft.ts";
import type { EtcdUrl } from "../../base/etcd-url.ts";
import { humanizeBytes } from "../../base/go-text.ts";
import type { DatabaseImage } from "../../env/peers.ts";
import { headersOf } from "./checks.ts";
import {
  MAX_REFUSAL_BYTES,
  SNAPSHOT_ANSWER_TIMEOUT_MS,
  SNAPSHOT_BURST_BYTES,
  SNAPSHOT_CHUNK_BYTES,
  SNAPSHOT_REST_MS,
  SNAPSHOT_STALL_TIMEOUT_MS,
} from "./limits.ts";
import { MessageEncoder } from "./message-codec.ts";
import type { PeerContext } from "./peer-context.ts";
import { collect, failureText } from "./peer-http.ts";
import { postFailure } from "./post-answer.ts";

export const SNAPSHOT_PATH = "/raft/snapshot";

/** One snapshot under way. */
interface Transfer {
  readonly request: ClientRequest;
  /** `Clock.nowMs` at which it is given up unless something moves. */
  deadlineMs: number;
}

export class SnapshotSender {
  readonly #context: PeerContext;
  readonly #transfers = new Set<Transfer>();
  #stopped = false;

  constructor(context: PeerContext) {
    this.#context = context;
  }

  send(message: Message, image: DatabaseImage): void {
    void this.#send(message, image);
  }

  tick(): void {
    if (this.#transfers.size === 0) return;
    const nowMs = this.#context.clock.nowMs();
    for (const { request, deadlineMs } of this.#transfers) {
      if (nowMs >= deadlineMs) request.destroy(new Error("i/o timeout"));
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const { request } of this.#transfers) request.destroy(new Error("stopped"));
  }

  async #send(message: Message, image: DatabaseImage): Promise<void> {
    const { clock, logger, meter, idText, urls, status, node, id } = this.#context;
    const send = meter.snapshotSend;
    const startMs = clock.nowMs();
    const url = urls.pick();
    const frame = new MessageEncoder().encode([message]);
    const bytes = frame.length + image.sizeBytes;
    const fields = {
      "snapshot-index": message.snapshot?.metadata.index ?? 0,
      "remote-peer-id": idText,
      bytes,
      size: humanizeBytes(bytes),
    };
    logger.info("sending database snapshot", fields);
    send.inflights.of(idText).add(1);
    const failure = await this.#post(url, frame, image);
    send.inflights.of(idText).add(-1);
    image.close();
    if (failure === undefined) {
      status.activate();
      logger.info("sent database snapshot", fields);
      this.#context.sentBytes.add(bytes);
      send.success.of(idText).add();
      send.seconds.of(idText).observe((clock.nowMs() - startMs) / 1_000);
      node.reportSnapshot(id, true);
      return;
    }
    logger.warn("failed to send database snapshot", { ...fields, error: failure });
    send.failures.of(idText).add();
    if (!this.#stopped) {
      urls.unreachable(url);
      status.deactivate("sendMsgSnap", "post", failure);
      this.#context.sentFailures.add();
      this.#context.reportUnreachable();
    }
    node.reportSnapshot(id, false);
  }

  /** Why it failed; never rejects. */
  async #post(url: EtcdUrl, frame: Uint8Array, image: DatabaseImage): Promise<string | undefined> {
    const { node, http, clock } = this.#context;
    if (this.#stopped) return "stopped";
    const request = http.open(url, {
      method: "POST",
      path: SNAPSHOT_PATH,
      headers: {
        ...headersOf(node),
        "Content-Type": "application/octet-stream",
        "Content-Length": String(frame.length + image.sizeBytes),
      },
    });
    const transfer = { request, deadlineMs: clock.nowMs() + SNAPSHOT_STALL_TIMEOUT_MS };
    this.#transfers.add(transfer);
    const answered = answerTo(request);
    const body = this.#sendBody(transfer, frame, image);
    try {
      // A refusal may come at any time and ends the transfer; so does a broken connection.
      const incoming = await Promise.race([answered, body.then(() => answered)]);
      const answer = await collect(incoming, MAX_REFUSAL_BYTES);
      return postFailure(this.#context, url.href + SNAPSHOT_PATH, answer);
    } catch (error) {
      return failureText(error as Error, url);
    } finally {
      this.#transfers.delete(transfer);
      request.destroy();
      // The image is not closed under the hands of its reader.
      await body.catch(() => {});
    }
  }

  /** @throws when the image fails or has another size than it said, or the connection ends. */
  async #sendBody(transfer: Transfer, frame: Uint8Array, image: DatabaseImage): Promise<void> {
    const { clock } = this.#context;
    const { request } = transfer;
    let restBytes = image.sizeBytes;
    let writable = request.write(frame);
    let burstBytes = 0;
    for await (const chunk of image.chunks(SNAPSHOT_CHUNK_BYTES)) {
      restBytes -= chunk.length;
      if (restBytes < 0) break;
      if (request.destroyed) throw new Error("connection closed");
      if (!writable) await drained(request);
      transfer.deadlineMs = clock.nowMs() + SNAPSHOT_STALL_TIMEOUT_MS;
      writable = request.write(chunk);
      burstBytes += chunk.length;
      if (burstBytes < SNAPSHOT_BURST_BYTES) continue;
      burstBytes = 0;
      await new Promise<void>((resolve) => clock.setTimer(SNAPSHOT_REST_MS, resolve));
    }
    if (restBytes !== 0) {
      throw new Error(`database image is not ${image.sizeBytes} bytes long, as it was said to be`);
    }
    transfer.deadlineMs = clock.nowMs() + SNAPSHOT_ANSWER_TIMEOUT_MS;
    request.end();
  }
}

function answerTo(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.on("response", resolve);
    request.on("error", reject);
    request.on("close", () => reject(new Error("connection closed")));
  });
}

async function drained(request: ClientRequest): Promise<void> {
  if (!request.writableNeedDrain) return;
  const ended = new AbortController();
  const end = (): void => ended.abort();
  request.once("close", end);
  try {
    await once(request, "drain", { signal: ended.signal });
  } catch {
    throw new Error("connection closed");
  } finally {
    request.off("close", end);
  }
}
