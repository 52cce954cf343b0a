/**
 * What host names and services mean: the system's resolver (hosts file, DNS, search domains), or
 * name servers that an embedding program names. Reasons of failures are in Go's words.
 */
import { lookup as systemLookup, Resolver } from "node:dns/promises";
import { isIP, type LookupFunction } from "node:net";
import type { HostNames } from "../env/host-names.ts";
import { lookupFailure, lookupReason } from "./lookup-failure.ts";

export interface SrvRecord {
  /** With its final dot, so that nobody looks it up below a search domain. */
  readonly target: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

/** As Go's resolver: so long for one question to one server, and so often. */
const QUERY_TIMEOUT_MS = 5000;
const QUERY_TRIES = 2;

export class NameService implements HostNames {
  readonly #servers: readonly string[];
  readonly #resolver = new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES });

  /** `servers` are "address" or "address:port"; none means the system's. */
  constructor(servers: readonly string[] = []) {
    this.#servers = servers;
    if (servers.length > 0) this.#resolver.setServers(servers);
  }

  /** Those to be tried first come first. Rejects when there is none. */
  async services(name: string): Promise<readonly SrvRecord[]> {
    try {
      const records = await this.#resolver.resolveSrv(name);
      records.sort((a, b) => a.priority - b.priority || b.weight - a.weight);
      return records.map((record) => ({
        target: record.name.replace(/\.?$/, "."),
        port: record.port,
        priority: record.priority,
        weight: record.weight,
      }));
    } catch (error) {
      throw this.#failure(name, error);
    }
  }

  /** The address that Go would take of a name: an IPv4 one when there is any. */
  async lookup(host: string): Promise<string> {
    if (isIP(host) !== 0) return host;
    if (host === "") throw new Error("lookup : no such host");
    try {
      return await this.#firstAddress(host.replace(/\.$/, ""));
    } catch (error) {
      throw this.#failure(host, error);
    }
  }

  /** For sockets that connect by name; undefined when the system looks names up. */
  get socketLookup(): LookupFunction | undefined {
    if (this.#servers.length === 0) return undefined;
    return (host, { all }, done) => {
      void this.lookup(host).then(
        (address) => {
          const family = isIP(address);
          if (all === true) done(null, [{ address, family }]);
          else done(null, address, family);
        },
        (error: Error) => done(Object.assign(error, { code: "ENOTFOUND" }), ""),
      );
    };
  }

  async #firstAddress(host: string): Promise<string> {
    if (this.#servers.length > 0) {
      const [v4] = await this.#resolver.resolve4(host).catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENODATA") return [];
        throw error;
      });
      return v4 ?? (await this.#resolver.resolve6(host))[0] ?? "";
    }
    const all = await systemLookup(host, { all: true, verbatim: true });
    return (all.find(({ family }) => family === 4) ?? all[0])?.address ?? "";
  }

  #failure(name: string, error: unknown): Error {
    const { code, message } = error as NodeJS.ErrnoException;
    return new Error(lookupFailure(name, lookupReason(code) ?? message, this.#servers));
  }
}
