/** A table of host names; every other name does not exist. Counts how often it is asked. */
import type { HostNames } from "../host-names.ts";

export class FixedHostNames implements HostNames {
  /** Names that were asked for, in order. */
  readonly asked: string[] = [];
  readonly #addresses: Map<string, string>;

  constructor(addresses: Readonly<Record<string, string>> = {}) {
    this.#addresses = new Map(Object.entries(addresses));
  }

  set(host: string, address: string): void {
    this.#addresses.set(host, address);
  }

  async lookup(host: string): Promise<string> {
    this.asked.push(host);
    const address = this.#addresses.get(host);
    if (address === undefined) throw new Error(`lookup ${host}: no such host`);
    return address;
  }
}
