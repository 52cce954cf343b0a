/**
 * Endpoints of a proxy from DNS. Unless it is told to accept insecure ones, it keeps those with TLS
 * whose certificate is for the domain and by a trusted authority, which a handshake shows.
 */
import { errorMessage } from "../../base/error-message.ts";
import { quote } from "../../base/go-quote.ts";
import { CliExit, ExitCode } from "../framework/exit.ts";
import type { ClientSrvRecord } from "../framework/srv-lookup.ts";
import type { Invocation } from "../framework/command.ts";
import type { ProxyDeps } from "./deps.ts";

/** By the flags of the command; none without `--discovery-srv`. Ends the tool when DNS fails. */
export async function discoveredEndpoints(
  { flags, io }: Invocation,
  deps: ProxyDeps,
  trustedCaFile: string,
): Promise<readonly ClientSrvRecord[]> {
  const domain = flags.string("discovery-srv");
  if (domain === "") return [];
  const answer = await deps.srvRecords({ domain, suffix: flags.string("discovery-srv-name") });
  if ("error" in answer) {
    io.err(`${answer.error}\n`);
    throw new CliExit(ExitCode.ERROR);
  }
  const { records } = answer;
  const { logger } = deps;
  const fields = (shown: readonly ClientSrvRecord[]): Readonly<Record<string, unknown>> => ({
    "srv-server": domain,
    endpoints: shown.map(({ url }) => url),
  });
  logger.info("discovered cluster from SRV", fields(records));
  if (flags.bool("insecure-discovery")) return records;
  logger.info("validating discovered SRV endpoints", fields(records));
  const trial = { serverName: domain, trustedCaFile };
  const problems = await Promise.all(records.map((record) => problemOf(record, deps, trial)));
  const kept = records.filter((_, i) => problems[i] === undefined);
  const error = problems.filter((problem) => problem !== undefined).join(",");
  if (error === "") logger.info("using validated discovered SRV endpoints", fields(kept));
  else logger.warn("failed to validate discovered endpoints", { ...fields(kept), error });
  return kept;
}

async function problemOf(
  { url, host, port }: ClientSrvRecord,
  deps: ProxyDeps,
  trial: { readonly serverName: string; readonly trustedCaFile: string },
): Promise<string | undefined> {
  if (!url.startsWith("https://")) return `${quote(url)} is insecure`;
  try {
    await deps.tryTls({ ...trial, host, port });
    return undefined;
  } catch (error) {
    const reason = errorMessage(error);
    return `${quote(url)} failed to dial (${reason})`;
  }
}
