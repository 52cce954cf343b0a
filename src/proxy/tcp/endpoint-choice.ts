/**
 * Which endpoint gets the next connection: only those of the best priority that are alive (RFC 2782).
 * Among them the weights decide by chance; without weights they take turns.
 */
import type { Random } from "../../env/random.ts";

/** Where connections go, as an SRV record names it; other endpoints have no weight. */
export interface TcpEndpoint {
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  /** The lower, the better. */
  readonly priority: number;
  /** 0 for none. */
  readonly weight: number;
}

/** RFC 2782: beside weights, records without one get a very small share; etcd's is one of these. */
const WEIGHTLESS_SHARE = 100;

export class EndpointChoice {
  readonly #random: Random;
  #turn = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Undefined when there is nothing to choose from. */
  next<T extends TcpEndpoint>(alive: readonly T[]): T | undefined {
    const best = Math.min(...alive.map(({ priority }) => priority));
    const candidates = alive.filter(({ priority }) => priority === best);
    const weighted = candidates.filter(({ weight }) => weight > 0);
    const weightless = candidates.filter(({ weight }) => weight === 0);
    if (weighted.length === 0) return this.#inTurn(weightless);
    if (weightless.length > 0 && this.#random.below(WEIGHTLESS_SHARE) === 0) {
      return this.#inTurn(weightless);
    }
    return this.#byWeight(weighted);
  }

  #inTurn<T>(endpoints: readonly T[]): T | undefined {
    return endpoints.length === 0 ? undefined : endpoints[this.#turn++ % endpoints.length];
  }

  #byWeight<T extends TcpEndpoint>(endpoints: readonly T[]): T | undefined {
    const sum = endpoints.reduce((total, { weight }) => total + weight, 0);
    let left = this.#random.below(sum);
    return endpoints.find(({ weight }) => {
      left -= weight;
      return left < 0;
    });
  }
}
