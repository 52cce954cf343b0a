/** Endpoints from DNS: SRV records of `_etcd-client-ssl._tcp` (https) and `_etcd-client._tcp`. */
import { resolveSrv } from "node:dns/promises";
import type { Invocation } from "../framework/command.ts";
import { ExitCode, exitWithError } from "../framework/exit.ts";
import { goQuote } from "../framework/go-text.ts";

type Lookup = { readonly urls: readonly string[] } | { readonly error: string };

/** Fails only when both names do. Without --insecure-discovery, http endpoints are left out. */
export async function discoverEndpoints({ flags, io }: Invocation): Promise<readonly string[]> {
  const domain = flags.string("discovery-srv");
  const suffix = flags.string("discovery-srv-name");
  const [secure, plain] = await Promise.all([
    lookUp("https", "etcd-client-ssl", suffix, domain),
    lookUp("http", "etcd-client", suffix, domain),
  ]);
  if ("error" in secure && "error" in plain) {
    exitWithError(ExitCode.ERROR, `dns lookup errors: ${secure.error} and ${plain.error}`);
  }
  const urls = [...("urls" in secure ? secure.urls : []), ...("urls" in plain ? plain.urls : [])];
  if (flags.bool("insecure-discovery")) return urls;
  return urls.filter((url) => {
    if (!url.startsWith("http://")) return true;
    io.err(`ignoring discovered insecure endpoint ${goQuote(url)}\n`);
    return false;
  });
}

async function lookUp(
  scheme: string,
  service: string,
  suffix: string,
  domain: string,
): Promise<Lookup> {
  const name = `_${service}${suffix === "" ? "" : `-${suffix}`}._tcp.${domain}`;
  try {
    const records = await resolveSrv(name);
    records.sort((a, b) => a.priority - b.priority || b.weight - a.weight);
    return { urls: records.map((record) => `${scheme}://${record.name}:${record.port}`) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isAbsent = code === "ENOTFOUND" || code === "ENODATA";
    return { error: `lookup ${name}: ${isAbsent ? "no such host" : message}` };
  }
}
