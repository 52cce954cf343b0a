/** What a connection has not sent yet, wherever it waits, and what may wait besides. */
import { FAIR_QUEUED_OUTPUT_BYTES, MAX_QUEUED_OUTPUT_BYTES } from "../limits.ts";
import type { OutputBudget } from "./output-budget.ts";
import type { OutputQueue } from "./output-queue.ts";

export class OutputBacklog {
  readonly #output: OutputQueue;
  readonly #budget: OutputBudget;
  #queuedBytes = 0;
  #socketBytes = 0;
  #heldBytes = 0;
  #owedBytes = 0;

  constructor(output: OutputQueue, budget: OutputBudget) {
    this.#output = output;
    this.#budget = budget;
  }

  /** Bytes that wait in stream queues. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Everything unsent. */
  get totalBytes(): number {
    return this.#queuedBytes + this.#output.bytes + this.#socketBytes;
  }

  /** What the peer must take before nothing waits for it: queued, or not even made. */
  get owedBytes(): number {
    return this.totalBytes + this.#owedBytes;
  }

  /** An answer of so many bytes may wait here, by what is left unread here and everywhere. */
  admits(bytes: number): boolean {
    const total = this.totalBytes + this.#heldBytes;
    if (total + bytes <= FAIR_QUEUED_OUTPUT_BYTES) return true;
    return total <= MAX_QUEUED_OUTPUT_BYTES && this.#budget.has(bytes);
  }

  /** So many bytes more wait in stream queues, or with a negative number fewer. */
  queue(bytes: number): void {
    this.#queuedBytes += bytes;
    this.#budget.add(bytes);
  }

  /** Bytes that the socket was given and the kernel has not taken. */
  inSocket(bytes: number): void {
    this.#socketBytes = bytes;
  }

  /** Sources of answers hold so much more memory, and will make so many more bytes. */
  hold(heldBytes: number, owedBytes: number): void {
    this.#heldBytes += heldBytes;
    this.#budget.add(heldBytes);
    this.#owedBytes += owedBytes;
  }
}
