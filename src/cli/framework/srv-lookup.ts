/**
 * Endpoints of a cluster from DNS: SRV records of `_etcd-client-ssl._tcp` (https) and
 * `_etcd-client._tcp` (http). Names keep their final dot, so nobody looks them up below a search
 * domain. Texts of failures are Go's.
 */
import { getServers } from "node:dns";
import { quote } from "../../base/go-quote.ts";
import type { Io } from "./io.ts";

export interface SrvQuestion {
  readonly domain: string;
  /** Added to the name of the service, behind a dash; "" for none. */
  readonly suffix: string;
  /** Keep endpoints without TLS. */
  readonly isInsecure: boolean;
}

export type SrvAnswer = { readonly urls: readonly string[] } | { readonly error: string };

/** An error only when both names fail. Endpoints that are left out are named on standard error. */
export async function endpointsFromSrv(io: Io, question: SrvQuestion): Promise<SrvAnswer> {
  const { domain, suffix, isInsecure } = question;
  const service = (name: string): string =>
    `_${name}${suffix === "" ? "" : `-${suffix}`}._tcp.${domain}`;
  const [secure, plain] = await Promise.all([
    lookUp("https", service("etcd-client-ssl")),
    lookUp("http", service("etcd-client")),
  ]);
  if ("error" in secure && "error" in plain) {
    return { error: `dns lookup errors: ${secure.error} and ${plain.error}` };
  }
  const urls = [...("urls" in secure ? secure.urls : []), ...("urls" in plain ? plain.urls : [])];
  if (isInsecure) return { urls };
  const kept = urls.filter((url) => {
    if (!url.startsWith("http://")) return true;
    io.err(`ignoring discovered insecure endpoint ${quote(url)}\n`);
    return false;
  });
  return { urls: kept };
}

/** What is told of a name that the first of the system's name servers does not know. */
export function unknownName(name: string): string {
  return lookUpFailure(name, "no such host");
}

async function lookUp(scheme: string, name: string): Promise<SrvAnswer> {
  const { resolveSrv } = await import("node:dns/promises");
  try {
    const records = await resolveSrv(name);
    records.sort((a, b) => a.priority - b.priority || b.weight - a.weight);
    const urls = records.map(
      (record) => `${scheme}://${record.name.replace(/\.?$/, ".")}:${record.port}`,
    );
    return { urls };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { error: lookUpFailure(name, reasonOf(code) ?? message) };
  }
}

function reasonOf(code: string | undefined): string | undefined {
  switch (code) {
    case "ENOTFOUND":
    case "ENODATA":
      return "no such host";
    case "EREFUSED":
    case "ESERVFAIL":
    case "ENOTIMP":
      return "server misbehaving";
    case "ETIMEOUT":
      return "i/o timeout";
    case "ECONNREFUSED":
      return "connection refused";
    default:
      return undefined;
  }
}

function lookUpFailure(name: string, reason: string): string {
  const [server = ""] = getServers();
  if (server === "") return `lookup ${name}: ${reason}`;
  const address = server.includes(":") && !server.startsWith("[") ? `[${server}]` : server;
  return `lookup ${name} on ${address}:53: ${reason}`;
}
