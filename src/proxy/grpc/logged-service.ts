/**
 * `--experimental-enable-grpc-logging`: a line for each message of clients and each answer, with the
 * texts and fields of etcd's. Passwords and tokens are left out.
 */
import { METHODS } from "../../api/rpc-table.ts";
import type { MessageType } from "../../api/message-type.ts";
import type { Logger } from "../../env/logger.ts";
import type { Call, ReplySource, RpcService, StreamCall, UnaryCall } from "../../env/rpc.ts";
import { encodeJson } from "../../gateway/index.ts";

const SECRETS = ["password", "hashedPassword", "token"] as const;

export class LoggedService implements RpcService {
  readonly #inner: RpcService;
  readonly #logger: Logger;

  constructor(inner: RpcService, logger: Logger) {
    this.#inner = inner;
    this.#logger = logger;
  }

  unary(calls: readonly UnaryCall[]): void {
    for (const call of calls) logMessage(this.#logger, call, "request", [call.body]);
    this.#inner.unary(calls.map((call) => new LoggedUnary(call, this.#logger)));
  }

  stream(call: StreamCall): void {
    this.#inner.stream(new LoggedStream(call, this.#logger));
  }
}

function logMessage(
  logger: Logger,
  call: Call,
  side: "request" | "response",
  parts: readonly Uint8Array[],
): void {
  const row = METHODS[call.method];
  if (row === undefined) return;
  logger.info(`server ${side} payload logged as grpc.${side}.content field`, {
    system: "grpc",
    "span.kind": "server",
    "grpc.service": row.service,
    "grpc.method": row.name,
    "peer.address": call.remote,
    [`grpc.${side}.content`]: { msg: shown(row[side], parts) },
  });
}

function shown(type: MessageType<unknown>, parts: readonly Uint8Array[]): unknown {
  try {
    const message = type.decode(Buffer.concat(parts)) as Record<string, unknown>;
    for (const name of SECRETS) if (name in message) message[name] = "";
    return JSON.parse(encodeJson(type, message));
  } catch {
    // The call itself will be refused, and says why.
    return undefined;
  }
}

class LoggedCall<C extends UnaryCall | StreamCall> implements Call {
  protected readonly inner: C;
  protected readonly logger: Logger;

  constructor(inner: C, logger: Logger) {
    this.inner = inner;
    this.logger = logger;
  }
  get method(): number {
    return this.inner.method;
  }
  get deadlineMs(): number {
    return this.inner.deadlineMs;
  }
  get remote(): string {
    return this.inner.remote;
  }
  get viaGateway(): boolean {
    return this.inner.viaGateway;
  }
  get certificateName(): string | undefined {
    return this.inner.certificateName;
  }
  get cancelled(): boolean {
    return this.inner.cancelled;
  }
  get onCancel(): (() => void) | undefined {
    return this.inner.onCancel;
  }
  set onCancel(listener: (() => void) | undefined) {
    this.inner.onCancel = listener;
  }
  metadata(key: string): string | undefined {
    return this.inner.metadata(key);
  }
  protected answered(parts: readonly Uint8Array[]): void {
    logMessage(this.logger, this.inner, "response", parts);
  }
}

class LoggedUnary extends LoggedCall<UnaryCall> implements UnaryCall {
  get body(): Uint8Array {
    return this.inner.body;
  }
  reply(message: Uint8Array): void {
    this.answered([message]);
    this.inner.reply(message);
  }
  replyParts(parts: readonly Uint8Array[]): void {
    this.answered(parts);
    this.inner.replyParts(parts);
  }
  /** Too large for a line. */
  replyFrom(source: ReplySource): void {
    this.inner.replyFrom(source);
  }
  fail(code: number, message: string): void {
    this.inner.fail(code, message);
  }
}

class LoggedStream extends LoggedCall<StreamCall> implements StreamCall {
  send(...parts: readonly Uint8Array[]): void {
    this.answered(parts);
    this.inner.send(...parts);
  }
  get bufferedBytes(): number {
    return this.inner.bufferedBytes;
  }
  get onDrain(): (() => void) | undefined {
    return this.inner.onDrain;
  }
  set onDrain(listener: (() => void) | undefined) {
    this.inner.onDrain = listener;
  }
  finish(code: number, message: string): void {
    this.inner.finish(code, message);
  }
  get onMessage(): ((message: Uint8Array) => void) | undefined {
    return this.inner.onMessage;
  }
  set onMessage(listener: ((message: Uint8Array) => void) | undefined) {
    this.inner.onMessage =
      listener &&
      ((message) => {
        logMessage(this.logger, this.inner, "request", [message]);
        listener(message);
      });
  }
  get onHalfClose(): (() => void) | undefined {
    return this.inner.onHalfClose;
  }
  set onHalfClose(listener: (() => void) | undefined) {
    this.inner.onHalfClose = listener;
  }
  pauseReceiving(): void {
    this.inner.pauseReceiving();
  }
  resumeReceiving(): void {
    this.inner.resumeReceiving();
  }
}
