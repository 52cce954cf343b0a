/**
 * Which members a v2 proxy sends requests to: their client URLs, looked up again and again. One that
 * fails is left alone for a while; the order is by chance, so that clients do not stick to one.
 */
import { type EtcdUrl, parseEtcdUrl } from "../../base/etcd-url.ts";
import type { Clock, Timer } from "../../env/clock.ts";
import type { Logger } from "../../env/logger.ts";
import type { Random } from "../../env/random.ts";

export interface DirectorOptions {
  /** `--proxy-failure-wait`. */
  readonly failureWaitMs: number;
  /** `--proxy-refresh-interval`. */
  readonly refreshIntervalMs: number;
}

export interface DirectorDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  /** Client URLs of the members; none when nobody answers. Does not reject. */
  readonly findURLs: () => Promise<readonly string[]>;
}

export interface ProxyEndpoint {
  readonly url: EtcdUrl;
  isAvailable: boolean;
}

/** As etcd: with nobody to send to, a long interval becomes a second. */
const LONG_INTERVAL_MS = 30_000;
const IMPATIENT_INTERVAL_MS = 1_000;

export class Director {
  readonly #options: DirectorOptions;
  readonly #deps: DirectorDeps;
  readonly #pauses = new Set<Timer>();
  #endpoints: readonly ProxyEndpoint[] = [];
  #timer: Timer | undefined;
  #hasFound = false;
  #stopped = false;

  constructor(options: DirectorOptions, deps: DirectorDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Resolves after the first look. */
  async start(): Promise<void> {
    await this.#refresh();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    for (const pause of this.#pauses) pause.cancel();
  }

  /** Those that may be asked now, in the order in which they should be. */
  get available(): readonly ProxyEndpoint[] {
    return this.#endpoints.filter(({ isAvailable }) => isAvailable);
  }

  failed(endpoint: ProxyEndpoint): void {
    if (!endpoint.isAvailable) return;
    const { logger, clock } = this.#deps;
    endpoint.isAvailable = false;
    const fields = { endpoint: endpoint.url.href };
    logger.info("marked endpoint unavailable", fields);
    const pause = clock.setTimer(this.#options.failureWaitMs, () => {
      this.#pauses.delete(pause);
      endpoint.isAvailable = true;
      logger.info("marked endpoint available, to retest connectivity", fields);
    });
    this.#pauses.add(pause);
  }

  async #refresh(): Promise<void> {
    const urls = await this.#deps.findURLs();
    if (this.#stopped) return;
    this.#endpoints = shuffled(this.#parsed(urls), this.#deps.random);
    if (this.#endpoints.length > 0 && !this.#hasFound) {
      this.#hasFound = true;
      const endpoints = this.#endpoints.map(({ url }) => url.href);
      this.#deps.logger.info("endpoints found", { endpoints });
    }
    const { refreshIntervalMs } = this.#options;
    const isImpatient = this.available.length === 0 && refreshIntervalMs >= LONG_INTERVAL_MS;
    const delayMs = isImpatient ? IMPATIENT_INTERVAL_MS : refreshIntervalMs;
    this.#timer = this.#deps.clock.setTimer(delayMs, () => void this.#refresh());
  }

  #parsed(urls: readonly string[]): ProxyEndpoint[] {
    return urls.flatMap((text) => {
      try {
        return [{ url: parseEtcdUrl(text), isAvailable: true }];
      } catch (error) {
        this.#deps.logger.info("upstream URL invalid", { error });
        return [];
      }
    });
  }
}

function shuffled<T>(items: T[], random: Random): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const [a, b] = [items[i], items[j]];
    if (a !== undefined && b !== undefined) [items[i], items[j]] = [b, a];
  }
  return items;
}
