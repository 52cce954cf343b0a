/**
 * Unary calls that completed in one turn of the loop, over all connections, handed to the service
 * together. Stream messages are delivered directly; only unary calls profit from company.
 */
import type { RpcService } from "../../env/rpc.ts";
import type { UnaryServerCall } from "./unary-call.ts";

export class CallBatch {
  readonly #service: RpcService;
  readonly #schedule: (run: () => void) => void;
  readonly #afterRun: () => void;
  #calls: UnaryServerCall[] = [];
  readonly #run = (): void => this.#flush();

  /** `schedule` runs its argument at the end of the turn; `afterRun` flushes what it caused. */
  constructor(service: RpcService, schedule: (run: () => void) => void, afterRun: () => void) {
    this.#service = service;
    this.#schedule = schedule;
    this.#afterRun = afterRun;
  }

  add(call: UnaryServerCall): void {
    if (this.#calls.push(call) === 1) this.#schedule(this.#run);
  }

  #flush(): void {
    const calls = this.#calls;
    this.#calls = [];
    let live = 0;
    for (let i = 0; i < calls.length; i++) {
      const call = calls[i] as UnaryServerCall;
      if (call.begin()) calls[live++] = call;
    }
    calls.length = live;
    if (live > 0) {
      try {
        this.#service.unary(calls);
      } catch (error) {
        for (const call of calls) call.serviceFailed(error);
      }
      for (let i = 0; i < live; i++) (calls[i] as UnaryServerCall).releaseBody();
    }
    this.#afterRun();
  }
}
