/**
 * The member's services with distributed tracing. A call that is not recorded passes as it is; who
 * does not trace at all has no such thing in the way.
 */
import type { Clock, RpcService, StreamCall, Tracer, UnaryCall } from "../../env/index.ts";
import { TracedStream, TracedUnary } from "./traced-calls.ts";

export class TracedService implements RpcService {
  readonly #service: RpcService;
  readonly #tracer: Tracer;
  readonly #clock: Clock;

  constructor(service: RpcService, tracer: Tracer, clock: Clock) {
    this.#service = service;
    this.#tracer = tracer;
    this.#clock = clock;
  }

  unary(calls: readonly UnaryCall[]): void {
    let passed: UnaryCall[] | undefined;
    for (let i = 0; i < calls.length; i++) {
      const call = calls[i] as UnaryCall;
      const span = this.#tracer.begin(call);
      if (span === undefined) continue;
      passed ??= calls.slice();
      passed[i] = new TracedUnary(call, span, this.#clock);
    }
    this.#service.unary(passed ?? calls);
  }

  stream(call: StreamCall): void {
    const span = this.#tracer.begin(call);
    this.#service.stream(span === undefined ? call : new TracedStream(call, span, this.#clock));
  }
}
