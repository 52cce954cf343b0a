/** The connection to an OpenTelemetry collector: made when there is something to send, and kept. */
import { StatusCode } from "../api/errors.ts";
import type { Clock } from "../env/clock.ts";
import { type ClientConnection, connect } from "../transport/client/connection.ts";
import { RpcError } from "../transport/client/rpc-error.ts";
import { parseCollectorAddress } from "./collector-address.ts";
import type { Collector } from "./span-exporter.ts";

const EXPORT_PATH = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/** An answer says how many spans were not wanted, and why. */
const MAX_COLLECTOR_ANSWER_BYTES = 64 * 1024;

/** After these the same message may be taken later (OTLP specification, "Failures"). */
const PASSING: ReadonlySet<number> = new Set([
  StatusCode.CANCELLED,
  StatusCode.DEADLINE_EXCEEDED,
  StatusCode.ABORTED,
  StatusCode.OUT_OF_RANGE,
  StatusCode.UNAVAILABLE,
  StatusCode.DATA_LOSS,
]);

/** Whether it is worth while to send again what failed so. */
export function isPassing(error: unknown): boolean {
  return error instanceof RpcError && PASSING.has(error.code);
}

export class GrpcCollector implements Collector {
  readonly #address: string;
  readonly #clock: Clock;
  #connection: ClientConnection | undefined;
  #isClosed = false;

  constructor(address: string, clock: Clock) {
    this.#address = address;
    this.#clock = clock;
  }

  async send(request: Uint8Array, deadlineMs: number): Promise<Uint8Array> {
    if (this.#connection === undefined || this.#connection.closing) {
      this.#connection = await this.#connect(deadlineMs);
    }
    return this.#connection.unary(EXPORT_PATH, request, { deadlineMs });
  }

  close(): void {
    this.#isClosed = true;
    this.#connection?.close();
  }

  async #connect(deadlineMs: number): Promise<ClientConnection> {
    const target = parseCollectorAddress(this.#address);
    if (target === undefined) {
      throw new RpcError(StatusCode.INVALID_ARGUMENT, `${this.#address} is no address`);
    }
    const connection = await connect(target.host, target.port, {
      clock: this.#clock,
      connectTimeoutMs: Math.max(0, deadlineMs - this.#clock.nowMs()),
      maxMessageBytes: MAX_COLLECTOR_ANSWER_BYTES,
    });
    if (this.#isClosed) connection.close();
    return connection;
  }
}
