/**
 * Whether two lists of peer URLs mean the same addresses. Host names are looked up only where the
 * texts differ, for as long as etcd does: a name may be about to get into the DNS. As in etcd,
 * `localhost` and unix sockets stay what they are.
 *
 * All comparisons of one question share one time limit and what has been found out.
 */
import { joinHostPort } from "../base/port.ts";
import { isIP } from "node:net";
import { type EtcdUrl, parseEtcdUrl } from "../base/etcd-url.ts";
import { quote, quoteList } from "../base/go-quote.ts";
import { TextError, formatDuration } from "../base/go-text.ts";
import type { Clock } from "../env/clock.ts";
import type { HostNames } from "../env/host-names.ts";
import type { Logger } from "../env/logger.ts";

export interface NamingDeps {
  readonly hostNames: HostNames;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Undefined when both mean the same, in any order; otherwise the difference, in etcd's words. */
export type CompareURLs = (
  a: readonly string[],
  b: readonly string[],
) => Promise<string | undefined>;

/** As etcd's. */
const TIME_LIMIT_MS = 30_000;
const RETRY_INTERVAL_MS = 1000;

/** The comparison for one question; its time limit begins now. */
export function urlComparison(deps: NamingDeps): CompareURLs {
  const names = new Names(deps);
  return async (first, second) => {
    const [a, b] = [[...first].sort(), [...second].sort()];
    if (a.length !== b.length) return `len(${quoteList(a)}) != len(${quoteList(b)})`;
    if (sameTexts(a, b)) return undefined;
    try {
      return firstDifference(await names.resolveAll(a), await names.resolveAll(b));
    } catch (error) {
      if (!(error instanceof ResolveError)) throw error;
      return error.message;
    }
  };
}

/** Whether two lists have the same texts, in any order. */
export function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return [...a].sort().join() === [...b].sort().join();
}

function firstDifference(a: readonly string[], b: readonly string[]): string | undefined {
  const at = a.findIndex((url, i) => url !== b[i]);
  if (at < 0) return undefined;
  return `resolved urls: ${quote(a[at] ?? "")} != ${quote(b[at] ?? "")}`;
}

class ResolveError extends Error {}

class Names {
  readonly #deps: NamingDeps;
  readonly #endMs: number;
  readonly #found = new Map<string, string>();

  constructor(deps: NamingDeps) {
    this.#deps = deps;
    this.#endMs = deps.clock.nowMs() + TIME_LIMIT_MS;
  }

  /** Sorted. Throws `ResolveError`. */
  async resolveAll(urls: readonly string[]): Promise<string[]> {
    const resolved: string[] = [];
    for (const text of urls) {
      const url = parse(text);
      const host = await this.#hostOf(url);
      resolved.push(url.href.replace(`://${url.host}`, () => `://${host}`));
    }
    return resolved.sort();
  }

  async #hostOf(url: EtcdUrl): Promise<string> {
    if (url.scheme.startsWith("unix") || url.hostname === "localhost") return url.host;
    const fields = { url: url.href, host: url.host };
    const known = this.#found.get(url.host);
    if (known !== undefined) return known;
    const { clock, logger } = this.#deps;
    while (clock.nowMs() < this.#endMs) {
      const tried = await this.#try(url.hostname);
      if (typeof tried === "string") {
        const found = joinHostPort(tried, url.port);
        this.#found.set(url.host, found);
        logger.info("resolved URL Host", { ...fields, "resolved-addr": found });
        return found;
      }
      const failure = {
        ...fields,
        "retry-interval": formatDuration(RETRY_INTERVAL_MS),
        error: tried,
      };
      logger.warn("failed to resolve URL Host", failure);
      await this.#pause();
      if (clock.nowMs() < this.#endMs) continue;
      logger.warn("failed to resolve URL Host; returning", failure);
      throw new ResolveError(`failed to resolve ${quote(url.href)} (${tried.message})`);
    }
    throw new ResolveError(`failed to resolve ${quote(url.href)} (context deadline exceeded)`);
  }

  /** An address or why there is none, at the latest when the time is over. */
  #try(hostname: string): Promise<string | Error> {
    if (isIP(hostname) !== 0) return Promise.resolve(shortAddress(hostname));
    const { clock, hostNames } = this.#deps;
    return new Promise((resolve) => {
      const timer = clock.setTimer(this.#endMs - clock.nowMs(), () => {
        resolve(new Error(`lookup ${hostname}: i/o timeout`));
      });
      void hostNames
        .lookup(hostname)
        .then(shortAddress, (error: Error) => error)
        .then((result) => {
          timer.cancel();
          resolve(result);
        });
    });
  }

  #pause(): Promise<void> {
    const { clock } = this.#deps;
    const leftMs = Math.max(0, this.#endMs - clock.nowMs());
    return new Promise((resolve) => {
      clock.setTimer(Math.min(RETRY_INTERVAL_MS, leftMs), resolve);
    });
  }
}

function parse(text: string): EtcdUrl {
  try {
    return parseEtcdUrl(text);
  } catch (error) {
    if (!(error instanceof TextError)) throw error;
    throw new ResolveError(`failed to parse string to URL: ${quote(text)}`);
  }
}

/** The one form that Go prints of an address. Zones stay. */
function shortAddress(address: string): string {
  if (isIP(address) !== 6) return address;
  const [plain = "", zone] = address.split("%", 2);
  const short = new URL(`http://[${plain}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(short);
  if (mapped !== null) {
    const [high, low] = [mapped[1], mapped[2]].map((half) => Number.parseInt(half ?? "0", 16));
    return [high, low].flatMap((half = 0) => [half >> 8, half & 0xff]).join(".");
  }
  return zone === undefined ? short : `${short}%${zone}`;
}
