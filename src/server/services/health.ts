/**
 * gRPC health checking (grpc.health.v1): the empty service name stands for the whole member.
 */
import { StatusCode } from "../../api/errors.ts";
import {
  HealthCheckRequest,
  HealthCheckResponse,
  HealthCheckResponse_ServingStatus as ServingStatus,
  HealthListRequest,
  HealthListResponse,
} from "../../api/gen/health.ts";
import type { Logger, StreamCall, UnaryCall } from "../../env/index.ts";
import { METHOD } from "../../api/rpc-table.ts";
import { decodeOrEnd } from "./reply.ts";
import type { StreamRows, UnaryRows } from "./rows.ts";

/** The one service that has a status: the whole member. */
const WHOLE_MEMBER = "";

export class HealthService {
  readonly unary: UnaryRows = {
    [METHOD.HealthCheck]: (call) => this.check(call),
    [METHOD.HealthList]: (call) => this.list(call),
  };
  readonly stream: StreamRows = { [METHOD.HealthWatch]: (call) => this.watch(call) };
  readonly #logger: Logger;
  #status: ServingStatus = ServingStatus.SERVING;
  readonly #watchers = new Set<StreamCall>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Clients are served from now on. */
  ready(): void {
    this.#logStatus();
  }

  /** All services that have a status. */
  list(call: UnaryCall): void {
    HealthListRequest.decode(call.body);
    const value = HealthCheckResponse.create({ status: this.#status });
    const response = HealthListResponse.create({ statuses: [{ key: WHOLE_MEMBER, value }] });
    call.reply(HealthListResponse.encode(response));
  }

  check(call: UnaryCall): void {
    if (HealthCheckRequest.decode(call.body).service !== WHOLE_MEMBER) {
      call.fail(StatusCode.NOT_FOUND, "unknown service");
      return;
    }
    call.reply(encode(this.#status));
  }

  /** Sends the status now and at each change. An unknown service is told so, once. */
  watch(call: StreamCall): void {
    call.onMessage = (message) => {
      const request = decodeOrEnd(HealthCheckRequest, message, (code, text) => {
        call.finish(code, text);
      });
      if (request === undefined) return;
      if (request.service !== WHOLE_MEMBER) {
        call.send(encode(ServingStatus.SERVICE_UNKNOWN));
        return;
      }
      this.#watchers.add(call);
      call.send(encode(this.#status));
    };
    call.onCancel = () => this.#watchers.delete(call);
  }

  /** Ends the open streams, as the member stops. */
  stop(): void {
    for (const call of this.#watchers) call.finish(StatusCode.UNAVAILABLE, "server stopped");
    this.#watchers.clear();
  }

  setServing(serving: boolean): void {
    const status = serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
    if (status === this.#status) return;
    this.#status = status;
    this.#logStatus();
    for (const call of this.#watchers) call.send(encode(status));
  }

  #logStatus(): void {
    const fields = { service: WHOLE_MEMBER };
    if (this.#status === ServingStatus.SERVING) {
      this.#logger.info("grpc service status changed", { ...fields, status: "SERVING" });
      return;
    }
    this.#logger.warn("grpc service status changed", {
      ...fields,
      status: "NOT_SERVING",
      reason: "defrag is active",
    });
  }
}

function encode(status: ServingStatus): Uint8Array {
  return HealthCheckResponse.encode(HealthCheckResponse.create({ status }));
}
