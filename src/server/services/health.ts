/**
 * gRPC health checking (grpc.health.v1): the empty service name stands for the whole member.
 */
import { StatusCode } from "../../api/errors.ts";
import {
  HealthCheckRequest,
  HealthCheckResponse,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../api/gen/health.ts";
import type { StreamCall, UnaryCall } from "../../env/index.ts";
import { decodeOrEnd } from "./reply.ts";

export class HealthService {
  #status: ServingStatus = ServingStatus.SERVING;
  readonly #watchers = new Set<StreamCall>();

  check(call: UnaryCall): void {
    if (HealthCheckRequest.decode(call.body).service !== "") {
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
      if (request.service !== "") {
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
    for (const call of this.#watchers) call.send(encode(status));
  }
}

function encode(status: ServingStatus): Uint8Array {
  return HealthCheckResponse.encode(HealthCheckResponse.create({ status }));
}
