/**
 * The gateway's side of a call: what the server sees of a JSON request. Replies are encoded
 * messages, translated to JSON here. A call ends once: by its answer, by its deadline, or because
 * the client went away; what comes later is dropped.
 */

import { StatusCode } from "../api/errors.ts";
import type { MethodInfo } from "../api/rpc-table.ts";
import type { Clock, Timer } from "../env/clock.ts";
import type { HttpRequest, HttpResponse } from "../env/http.ts";
import {
  type Call,
  type MessageSeries,
  type ReplySource,
  sendOneByOne,
  type StreamCall,
  type UnaryCall,
} from "../env/rpc.ts";
import { encodeStatus, httpStatusOf } from "./gateway-status.ts";
import { headerValue, sendText } from "./http-text.ts";
import { encodeJson } from "./json-encode.ts";
import { JsonReply } from "./json-reply.ts";

const JSON_HEADERS = { "content-type": "application/json" };
const RESULT_HEADERS = {
  "content-type": "application/json",
  "grpc-metadata-content-type": "application/grpc",
};
const DEADLINE_TEXT = "context deadline exceeded";

/** Answers with an error before or instead of a call. */
export function sendStatus(
  request: HttpRequest,
  response: HttpResponse,
  code: number,
  message: string,
): void {
  const headers: Record<string, string> = { ...JSON_HEADERS };
  if (code === StatusCode.UNAUTHENTICATED) headers["www-authenticate"] = headerValue(message);
  sendText(request, response, httpStatusOf(code), encodeStatus(code, message), headers);
}

abstract class GatewayCall implements Call {
  readonly method: number;
  readonly deadlineMs: number;
  readonly remote: string;
  readonly viaGateway = true;
  /** The certificate belongs to the connection, not to the user of the gateway. */
  readonly certificateName = undefined;
  cancelled = false;
  onCancel: (() => void) | undefined = undefined;
  /** The call has been answered or has gone; may be called twice. */
  onOver: (() => void) | undefined = undefined;
  protected finished = false;
  protected readonly info: MethodInfo;
  protected readonly request: HttpRequest;
  protected readonly response: HttpResponse;
  protected readonly clock: Clock;
  #deadlineTimer: Timer | undefined;

  constructor(
    info: MethodInfo,
    request: HttpRequest,
    response: HttpResponse,
    clock: Clock,
    deadlineMs: number,
  ) {
    this.info = info;
    this.method = info.index;
    this.request = request;
    this.response = response;
    this.clock = clock;
    this.remote = request.remote;
    this.deadlineMs = deadlineMs;
    response.onClose = () => this.#cancel();
    if (Number.isFinite(deadlineMs)) {
      const delayMs = Math.max(0, deadlineMs - clock.nowMs());
      this.#deadlineTimer = clock.setTimer(delayMs, () => this.#expire());
    }
  }

  /** `Authorization` passes as it is, other metadata as `Grpc-Metadata-<key>` headers. */
  metadata(key: string): string | undefined {
    if (key === "authorization") {
      const authorization = this.request.headers.authorization;
      if (authorization !== undefined) return authorization;
    }
    return this.request.headers[`grpc-metadata-${key}`];
  }

  get isOver(): boolean {
    return this.finished || this.cancelled;
  }

  protected end(): void {
    this.finished = true;
    this.onOver?.();
    this.#deadlineTimer?.cancel();
  }

  /** Answers with an error without asking the server. */
  protected abstract answerError(code: number, message: string): void;

  /** Refuses from the gateway's side: the client gets the error, the server a cancellation. */
  abort(code: number, message: string): void {
    if (this.isOver) return;
    this.answerError(code, message);
    this.#cancel();
  }

  #expire(): void {
    this.abort(StatusCode.DEADLINE_EXCEEDED, DEADLINE_TEXT);
  }

  #cancel(): void {
    if (this.cancelled) return;
    const wasAnswered = this.finished;
    this.#deadlineTimer?.cancel();
    if (wasAnswered) return;
    this.cancelled = true;
    this.onOver?.();
    this.released();
    this.onCancel?.();
  }

  /** Called when the call is over, to wake who waits for it. */
  protected released(): void {}

  /** The answer as JSON; undefined if it is beyond what one string can hold. */
  protected toJson(message: Uint8Array, escapeHtml: boolean): string | undefined {
    const { response: type } = this.info;
    try {
      return encodeJson(type, type.decode(message), escapeHtml);
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  }
}

const UNREAD_TEXT = "grpc: too many answers wait unread";
const TOO_LARGE_TEXT = "response too large for JSON: ask for less with a limit";

export class GatewayUnaryCall extends GatewayCall implements UnaryCall {
  readonly body: Uint8Array;

  constructor(
    info: MethodInfo,
    request: HttpRequest,
    response: HttpResponse,
    clock: Clock,
    deadlineMs: number,
    body: Uint8Array,
  ) {
    super(info, request, response, clock, deadlineMs);
    this.body = body;
  }

  reply(message: Uint8Array): void {
    if (this.isOver) return;
    const json = this.toJson(message, false);
    if (json === undefined) {
      this.fail(StatusCode.RESOURCE_EXHAUSTED, TOO_LARGE_TEXT);
      return;
    }
    if (this.response.admits?.(json.length) === false) {
      this.fail(StatusCode.RESOURCE_EXHAUSTED, UNREAD_TEXT);
      return;
    }
    this.end();
    sendText(this.request, this.response, 200, json, RESULT_HEADERS);
  }

  replyParts(parts: readonly Uint8Array[]): void {
    this.reply(joined(parts));
  }

  replyFrom(source: ReplySource): void {
    const admitted = this.response.admits?.(source.heldBytes) ?? true;
    if (!admitted) this.fail(StatusCode.RESOURCE_EXHAUSTED, UNREAD_TEXT);
    if (this.isOver) {
      source.close();
      return;
    }
    this.end();
    this.response.head(200, RESULT_HEADERS);
    new JsonReply(this.response, source, this.info.response, this.clock).send();
  }

  fail(code: number, message: string): void {
    if (this.isOver) return;
    this.end();
    sendStatus(this.request, this.response, code, message);
  }

  protected answerError(code: number, message: string): void {
    sendStatus(this.request, this.response, code, message);
  }
}

/** Answers are lines of `{"result":…}`; an error is a last line `{"error":…}`. */
export class GatewayStreamCall extends GatewayCall implements StreamCall {
  onDrain: (() => void) | undefined = undefined;
  onMessage: ((message: Uint8Array) => void) | undefined = undefined;
  onHalfClose: (() => void) | undefined = undefined;
  #headSent = false;
  #bufferedBytes = 0;
  #paused: PromiseWithResolver | undefined;

  constructor(
    info: MethodInfo,
    request: HttpRequest,
    response: HttpResponse,
    clock: Clock,
    deadlineMs: number,
  ) {
    super(info, request, response, clock, deadlineMs);
    response.onDrain = () => {
      this.#bufferedBytes = 0;
      this.onDrain?.();
    };
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  send(...parts: readonly Uint8Array[]): void {
    if (this.isOver) return;
    const json = this.toJson(joined(parts), true);
    if (json === undefined) {
      this.abort(StatusCode.RESOURCE_EXHAUSTED, TOO_LARGE_TEXT);
      return;
    }
    const line = `{"result":${json}}\n`;
    this.#head(200, RESULT_HEADERS);
    if (!this.response.write(line)) this.#bufferedBytes += line.length;
  }

  sendSeries(series: MessageSeries): void {
    sendOneByOne(this, series);
  }

  finish(code: number, message: string): void {
    if (this.isOver) return;
    this.end();
    this.released();
    if (code === StatusCode.OK) {
      this.#head(200, {});
      this.response.end();
    } else this.answerError(code, message);
  }

  protected answerError(code: number, message: string): void {
    this.#head(httpStatusOf(code), JSON_HEADERS);
    this.response.end(`{"error":${encodeStatus(code, message, true)}}\n`);
  }

  pauseReceiving(): void {
    this.#paused ??= newResolver();
  }

  resumeReceiving(): void {
    this.#paused?.resolve();
    this.#paused = undefined;
  }

  /** Settles when the server takes more requests. */
  async receiving(): Promise<void> {
    if (this.#paused !== undefined && !this.isOver) await this.#paused.promise;
  }

  protected override released(): void {
    this.resumeReceiving();
  }

  #head(status: number, headers: Readonly<Record<string, string>>): void {
    if (this.#headSent) return;
    this.#headSent = true;
    this.response.head(status, headers);
  }
}

interface PromiseWithResolver {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

function newResolver(): PromiseWithResolver {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
}
