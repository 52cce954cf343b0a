/**
 * Messages as single POSTs, for the time in which a peer has dialed no stream, and for strangers
 * that will never dial one. Few at a time, few waiting: raft repeats what matters. Several travel
 * at the same time, so they may arrive in another order.
 */
import { errorMessage } from "../../base/error-message.ts";
import { Message } from "../../api/gen/raft.ts";
import { headersOf } from "./checks.ts";
import {
  MAX_PIPELINE_BYTES,
  MAX_PIPELINE_MESSAGES,
  MAX_REFUSAL_BYTES,
  PIPELINE_CONNECTIONS,
  PIPELINE_TIMEOUT_MS,
} from "./limits.ts";
import { messageWeight } from "./message-weight.ts";
import type { PeerContext } from "./peer-context.ts";
import { postFailure } from "./post-answer.ts";

export const RAFT_PATH = "/raft";

export class Pipeline {
  readonly #context: PeerContext;
  readonly #waiting: Message[] = [];
  #bytes = 0;
  #posts = 0;
  #stopped = false;

  constructor(context: PeerContext) {
    this.#context = context;
    context.logger.info("started HTTP pipelining with remote peer", this.#fields());
  }

  /** False when the queue is full; the message is dropped then. */
  send(message: Message): boolean {
    const weight = messageWeight(message);
    if (this.#waiting.length >= MAX_PIPELINE_MESSAGES) return false;
    if (this.#bytes > 0 && this.#bytes + weight > MAX_PIPELINE_BYTES) return false;
    this.#bytes += weight;
    if (this.#posts < PIPELINE_CONNECTIONS) this.#start(message);
    else this.#waiting.push(message);
    return true;
  }

  stop(): void {
    this.#stopped = true;
    this.#waiting.length = 0;
    this.#context.logger.info("stopped HTTP pipelining with remote peer", this.#fields());
  }

  #start(message: Message): void {
    this.#posts++;
    void this.#post(message).then((failure) => {
      this.#posts--;
      this.#bytes -= messageWeight(message);
      if (this.#stopped) return;
      if (failure !== undefined) this.#failed(failure);
      const next = this.#waiting.shift();
      if (next !== undefined) this.#start(next);
    });
  }

  /** Why it failed; never rejects. */
  async #post(message: Message): Promise<string | undefined> {
    const { http, urls, node, status, sentBytes } = this.#context;
    const url = urls.pick();
    const body = Message.encode(message);
    const headers = { ...headersOf(node), "Content-Type": "application/protobuf" };
    let failure: string | undefined;
    try {
      const answer = await http.exchange(url, {
        method: "POST",
        path: RAFT_PATH,
        headers,
        body,
        timeoutMs: PIPELINE_TIMEOUT_MS,
        limitBytes: MAX_REFUSAL_BYTES,
      });
      if (this.#stopped) return undefined;
      failure = postFailure(this.#context, url.href + RAFT_PATH, answer);
    } catch (error) {
      failure = errorMessage(error);
    }
    if (failure !== undefined) {
      urls.unreachable(url);
      return failure;
    }
    status.activate();
    sentBytes.add(body.length);
    return undefined;
  }

  #failed(reason: string): void {
    const { status, sentFailures } = this.#context;
    status.deactivate("pipeline", "write", reason);
    sentFailures.add();
    this.#context.reportUnreachable();
  }

  #fields() {
    const { localText, idText } = this.#context;
    return { "local-member-id": localText, "remote-peer-id": idText };
  }
}
