/**
 * `--experimental-enable-grpc-logging`: a line for each message of clients and each answer, with the
 * texts and fields of etcd's. Passwords and tokens are left out.
 */
import { METHODS } from "../../api/rpc-table.ts";
import type { MessageType } from "../../api/message-type.ts";
import type { Logger } from "../../env/logger.ts";
import { PassedStream, PassedUnary } from "../../env/passed-calls.ts";
import type { Call, RpcService, StreamCall, UnaryCall } from "../../env/rpc.ts";
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

/** An answer whose pieces are made one by one is too large for a line, and not told. */
class LoggedUnary extends PassedUnary {
  readonly #logger: Logger;

  constructor(call: UnaryCall, logger: Logger) {
    super(call);
    this.#logger = logger;
  }

  override reply(message: Uint8Array): void {
    logMessage(this.#logger, this.call, "response", [message]);
    super.reply(message);
  }
  override replyParts(parts: readonly Uint8Array[]): void {
    logMessage(this.#logger, this.call, "response", parts);
    super.replyParts(parts);
  }
}

class LoggedStream extends PassedStream {
  readonly #logger: Logger;

  constructor(call: StreamCall, logger: Logger) {
    super(call);
    this.#logger = logger;
  }

  override send(...parts: readonly Uint8Array[]): void {
    logMessage(this.#logger, this.call, "response", parts);
    super.send(...parts);
  }
  override get onMessage(): ((message: Uint8Array) => void) | undefined {
    return super.onMessage;
  }
  override set onMessage(listener: ((message: Uint8Array) => void) | undefined) {
    super.onMessage =
      listener &&
      ((message) => {
        logMessage(this.#logger, this.call, "request", [message]);
        listener(message);
      });
  }
}
