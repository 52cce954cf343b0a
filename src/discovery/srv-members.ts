/**
 * The first members of a cluster from DNS: SRV records of `_etcd-server-ssl._tcp.DOMAIN` (https)
 * and `_etcd-server._tcp.DOMAIN` (http). A member finds itself by comparing addresses, and gives
 * the others numbers for names: what counts later are their URLs. Texts are etcd's.
 */
import { errorMessage } from "../base/error-message.ts";
import { joinHostPort } from "../base/port.ts";
import type { EtcdUrl } from "../base/etcd-url.ts";
import { quote } from "../base/go-quote.ts";
import type { Logger } from "../env/logger.ts";
import type { NameService } from "./name-service.ts";

export interface SrvQuestion {
  readonly domain: string;
  /** Added to the name of the service, behind a dash; "" for none. */
  readonly serviceName: string;
  readonly memberName: string;
  readonly advertisedURLs: readonly EtcdUrl[];
  /** Who asks must be among them. Not so a proxy. */
  readonly isMember: boolean;
}

/** The part of `NameService` that is needed. */
export type SrvNames = Pick<NameService, "services" | "lookup">;

export interface SrvDeps {
  readonly names: SrvNames;
  readonly logger: Logger;
}

/**
 * `name=url` pairs, as `--initial-cluster` lists them. One of the two services may be missing, and
 * members whose names do not resolve are left out, as in etcd. Rejects in etcd's words when nobody
 * is left, or this member is not among them.
 */
export async function membersFromSrv(
  question: SrvQuestion,
  deps: SrvDeps,
): Promise<readonly string[]> {
  const found: string[] = [];
  const failures: string[] = [];
  for (const scheme of ["https", "http"] as const) {
    const service = serviceOf(scheme, question.serviceName);
    const answer = await membersOfService(service, scheme, question, deps.names);
    if ("failure" in answer) failures.push(answer.failure);
    else found.push(...answer.members);
    deps.logger.info(`get cluster for ${serviceOf(scheme, "")} SRV`, {
      "service-scheme": scheme,
      "service-name": service,
      "server-name": question.memberName,
      "discovery-srv": question.domain,
      "advertise-peer-urls": question.advertisedURLs.map(({ href }) => href),
      "found-cluster": [...found],
      ...("failure" in answer && { error: answer.failure }),
    });
  }
  const failure = failures.join("\n");
  if (failure !== "") {
    deps.logger.warn("failed to resolve during SRV discovery", { error: failure });
  }
  if (found.length === 0) throw new Error(failure);
  for (const node of found) deps.logger.info("got bootstrap from DNS for etcd-server", { node });
  if (question.isMember && !found.some((pair) => pair.startsWith(`${question.memberName}=`))) {
    const name = quote(question.memberName);
    throw new Error(`cannot find local etcd member ${name} in SRV records`);
  }
  return found;
}

function serviceOf(scheme: "https" | "http", suffix: string): string {
  const service = scheme === "https" ? "etcd-server-ssl" : "etcd-server";
  return suffix === "" ? service : `${service}-${suffix}`;
}

type Answer = { readonly members: readonly string[] } | { readonly failure: string };

async function membersOfService(
  service: string,
  scheme: "https" | "http",
  { domain, memberName, advertisedURLs }: SrvQuestion,
  names: SrvNames,
): Promise<Answer> {
  let own: ReadonlyMap<string, EtcdUrl>;
  try {
    own = await byAddress(advertisedURLs, names);
  } catch (error) {
    return { failure: errorMessage(error) };
  }
  const members: string[] = [];
  let failure = "";
  let others = 0;
  try {
    for (const { target, port } of await names.services(`_${service}._tcp.${domain}`)) {
      let address: string;
      try {
        address = joinHostPort(await names.lookup(target), port);
      } catch (error) {
        failure = errorMessage(error);
        continue;
      }
      const mine = own.get(address);
      const name = mine === undefined ? `${others++}` : memberName;
      const url = `${scheme}://${joinHostPort(target.replace(/\.$/, ""), port)}`;
      if (mine === undefined || mine.scheme === scheme) members.push(`${name}=${url}`);
      else {
        const expected = `has scheme mismatch with expected peer ${mine.href}`;
        failure = `bootstrap at ${url} from DNS for ${service} ${expected}`;
      }
    }
  } catch (error) {
    failure = errorMessage(error);
  }
  if (members.length > 0) return { members };
  return { failure: `error querying DNS SRV records for _${service} ${failure}` };
}

async function byAddress(
  urls: readonly EtcdUrl[],
  names: SrvNames,
): Promise<ReadonlyMap<string, EtcdUrl>> {
  const found = new Map<string, EtcdUrl>();
  for (const url of urls) {
    // Unix sockets have no address.
    if (url.scheme.startsWith("unix")) continue;
    found.set(joinHostPort(await names.lookup(url.hostname), url.port), url);
  }
  return found;
}
