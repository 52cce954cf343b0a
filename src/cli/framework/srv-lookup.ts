/**
 * Endpoints of a cluster from DNS: SRV records of `_etcd-client-ssl._tcp` (https) and
 * `_etcd-client._tcp` (http). Names keep their final dot, so nobody looks them up below a search
 * domain. Texts of failures are Go's.
 */
import { errorMessage } from "../../base/error-message.ts";
import { quote } from "../../base/go-quote.ts";
import { lookupFailure } from "../../discovery/lookup-failure.ts";
import type { Io } from "./io.ts";

export interface SrvQuestion {
  readonly domain: string;
  /** Added to the name of the service, behind a dash; "" for none. */
  readonly suffix: string;
  /** Keep endpoints without TLS. */
  readonly isInsecure: boolean;
}

export type SrvAnswer = { readonly urls: readonly string[] } | { readonly error: string };

/** One endpoint as DNS has it. */
export interface ClientSrvRecord {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** The lower, the better. */
  readonly priority: number;
  readonly weight: number;
}

export type SrvRecords = { readonly records: ClientSrvRecord[] } | { readonly error: string };

/** An error only when both names fail. Endpoints that are left out are named on standard error. */
export async function endpointsFromSrv(io: Io, question: SrvQuestion): Promise<SrvAnswer> {
  const answer = await clientSrvRecords(question);
  if ("error" in answer) return answer;
  const urls = answer.records.map(({ url }) => url);
  if (question.isInsecure) return { urls };
  const kept = urls.filter((url) => {
    if (!url.startsWith("http://")) return true;
    io.err(`ignoring discovered insecure endpoint ${quote(url)}\n`);
    return false;
  });
  return { urls: kept };
}

/** With TLS first, each by priority. An error only when both names fail. */
export async function clientSrvRecords(
  question: Pick<SrvQuestion, "domain" | "suffix">,
): Promise<SrvRecords> {
  const { domain, suffix } = question;
  const service = (name: string): string =>
    `_${name}${suffix === "" ? "" : `-${suffix}`}._tcp.${domain}`;
  const [secure, plain] = await Promise.all([
    lookUp("https", service("etcd-client-ssl")),
    lookUp("http", service("etcd-client")),
  ]);
  if ("error" in secure && "error" in plain) {
    return { error: `dns lookup errors: ${secure.error} and ${plain.error}` };
  }
  const found = [secure, plain].flatMap((each) => ("records" in each ? each.records : []));
  return { records: found };
}

/** What is told of a name that the first of the system's name servers does not know. */
export function unknownName(name: string): string {
  return lookupFailure(name, "no such host");
}

async function lookUp(scheme: string, name: string): Promise<SrvRecords> {
  const { NameService } = await import("../../discovery/name-service.ts");
  try {
    const found = await new NameService().services(name);
    const records = found.map(({ target: host, port, priority, weight }) => {
      return { url: `${scheme}://${host}:${port}`, host, port, priority, weight };
    });
    return { records };
  } catch (error) {
    return { error: errorMessage(error) };
  }
}
