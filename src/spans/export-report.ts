/**
 * What the log says of spans that do not reach the collector: at once when it begins, then from time
 * to time with the number of those lost, and once when all is well again.
 */
import { errorMessage } from "../base/error-message.ts";
import type { Clock } from "../env/clock.ts";
import type { Logger } from "../env/logger.ts";

/** Between two lines about spans that are lost. */
export const REPORT_INTERVAL_MS = 60_000;

export class ExportReport {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #address: string;
  /** Since the start. */
  #dropped = 0;
  #isFailing = false;
  #saidMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, logger: Logger, address: string) {
    this.#clock = clock;
    this.#logger = logger;
    this.#address = address;
  }

  /** There was no room for so many. */
  dropped(count: number): void {
    this.#dropped += count;
    this.#maybeWarn("too many spans wait for the collector");
  }

  /** A batch was not taken; `lost` of it will not be sent again. */
  failed(error: unknown, lost: number): void {
    this.#dropped += lost;
    this.#isFailing = true;
    this.#maybeWarn(errorMessage(error));
  }

  /** A batch was taken, but for `rejected` of its spans. */
  sent(rejected: number, reason: string): void {
    this.#dropped += rejected;
    if (rejected > 0) this.#maybeWarn(`the collector rejected spans: ${reason}`);
    if (!this.#isFailing) return;
    this.#isFailing = false;
    this.#saidMs = Number.NEGATIVE_INFINITY;
    this.#logger.info("traces reach the collector again", this.#fields());
  }

  #maybeWarn(error: string): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#saidMs < REPORT_INTERVAL_MS) return;
    this.#saidMs = nowMs;
    this.#logger.warn("failed to export traces", { ...this.#fields(), error });
  }

  #fields(): Readonly<Record<string, unknown>> {
    return { address: this.#address, "dropped-spans": this.#dropped };
  }
}
