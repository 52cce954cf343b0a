/** How the programs of `etcd` end at SIGINT and SIGTERM: orderly, and then by the signal. */
import type { RootLogger } from "../platform/index.ts";

const SIGNAL_NAMES = { SIGINT: "interrupt", SIGTERM: "terminated" } as const;
type StopSignal = keyof typeof SIGNAL_NAMES;

/** A member or a proxy. */
export interface Stoppable {
  stop(): Promise<void>;
}

/**
 * Stops the member at the first SIGINT or SIGTERM, then lets the signal end the process, so that
 * whoever waits for it sees how it ended. A second signal ends it at once.
 */
export class SignalStop {
  readonly #logger: RootLogger;
  #running: Stoppable | undefined;
  #first: StopSignal | undefined;

  constructor(logger: RootLogger) {
    this.#logger = logger;
    for (const signal of Object.keys(SIGNAL_NAMES) as StopSignal[]) {
      process.on(signal, () => this.#receive(signal));
    }
  }

  get isStopping(): boolean {
    return this.#first !== undefined;
  }

  attach(running: Stoppable): void {
    this.#running = running;
  }

  #receive(signal: StopSignal): void {
    if (this.#first !== undefined) {
      this.#end(signal);
      return;
    }
    this.#first = signal;
    this.#logger.info("received signal; shutting down", { signal: SIGNAL_NAMES[signal] });
    // While the member is still starting there is nothing to stop gracefully.
    if (this.#running === undefined) this.#end(signal);
    else this.#stopThenEnd(signal);
  }

  #stopThenEnd(signal: StopSignal): void {
    const stopping = this.#running?.stop() ?? Promise.resolve();
    stopping
      .catch((error: unknown) => this.#logger.error("failed to stop cleanly", { error }))
      .finally(() => this.#end(signal));
  }

  #end(signal: StopSignal): void {
    this.#logger.flushSync();
    if (process.pid === 1) process.exit(0);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  }
}
