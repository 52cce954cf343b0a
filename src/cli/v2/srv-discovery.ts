/** Endpoints from DNS: SRV records of `_etcd-client-ssl._tcp` (https) and `_etcd-client._tcp`. */
import { goQuote } from "../framework/go-text.ts";
import type { Io } from "../framework/io.ts";
import { ClientError, unknownName } from "./errors.ts";

interface DiscoveryOptions {
  readonly domain: string;
  /** Added to the name of the service, behind a dash. */
  readonly service: string;
  /** Keep endpoints without TLS. */
  readonly isInsecure: boolean;
}

/** Fails only when both names do. */
export async function discoverV2(
  io: Io,
  { domain, service, isInsecure }: DiscoveryOptions,
): Promise<readonly string[]> {
  const suffix = service === "" ? "" : `-${service}`;
  const secure = await lookUp("https", `_etcd-client-ssl${suffix}._tcp.${domain}`);
  const plain = await lookUp("http", `_etcd-client${suffix}._tcp.${domain}`);
  if (secure.error !== undefined && plain.error !== undefined) {
    throw new ClientError(`dns lookup errors: ${secure.error} and ${plain.error}`);
  }
  return [...secure.urls, ...plain.urls].filter((url) => {
    if (isInsecure || !url.startsWith("http://")) return true;
    io.err(`ignoring discovered insecure endpoint ${goQuote(url)}\n`);
    return false;
  });
}

async function lookUp(
  scheme: string,
  name: string,
): Promise<{ readonly urls: readonly string[]; readonly error?: string }> {
  const { resolveSrv } = await import("node:dns/promises");
  try {
    const records = await resolveSrv(name);
    records.sort((a, b) => a.priority - b.priority || b.weight - a.weight);
    return { urls: records.map((record) => `${scheme}://${record.name}:${record.port}`) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isAbsent = code === "ENOTFOUND" || code === "ENODATA";
    return { urls: [], error: isAbsent ? unknownName(name) : `lookup ${name}: ${message}` };
  }
}
