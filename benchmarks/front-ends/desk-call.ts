/** What calls of another thread have in common on the main thread. */
import type { CallSpan } from "../../src/env/call-span.ts";
import type { Call } from "../../src/env/rpc.ts";
import type { Desk } from "./desk.ts";
import type { Caller } from "./callers.ts";

export interface CallFacts {
  readonly desk: Desk;
  readonly slot: number;
  readonly method: number;
  readonly caller: Caller;
  readonly deadlineMs: number;
}

export abstract class DeskCall implements Call {
  readonly method: number;
  readonly deadlineMs: number;
  readonly viaGateway = false;
  readonly span: CallSpan | undefined = undefined;
  cancelled = false;
  onCancel: (() => void) | undefined = undefined;
  protected readonly desk: Desk;
  protected readonly slot: number;
  readonly #caller: Caller;

  constructor({ desk, slot, method, caller, deadlineMs }: CallFacts) {
    this.desk = desk;
    this.slot = slot;
    this.method = method;
    this.#caller = caller;
    this.deadlineMs = deadlineMs;
  }

  get remote(): string {
    return this.#caller.remote;
  }

  get certificateName(): string | undefined {
    return this.#caller.certificateName;
  }

  metadata(key: string): string | undefined {
    return this.#caller.metadata(key);
  }
}
