/** The members of a cluster over the v2 HTTP API. */
import { parseEtcdUrl } from "../../base/etcd-url.ts";
import { escapePath } from "./address.ts";
import type { Action, ClusterClient } from "./cluster-client.ts";
import { ClientError, DeadlineError } from "./errors.ts";
import { parseGoJson } from "./go-json-error.ts";
import type { HttpAnswer } from "./transport.ts";

export interface Member {
  readonly id: string;
  /** Empty until the member has started. */
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
}

type Signal = AbortSignal | undefined;

const PREFIX = "/v2/members";
const JSON_HEADERS = { "Content-Type": "application/json" };

export class MembersApi {
  readonly #client: ClusterClient;

  constructor(client: ClusterClient) {
    this.#client = client;
  }

  async list(signal: Signal): Promise<readonly Member[]> {
    const answer = await this.#do({ method: "GET", target: PREFIX }, signal, [200]);
    const { members } = objectIn(answer);
    return Array.isArray(members) ? members.map(readMember) : [];
  }

  async leader(signal: Signal): Promise<Member> {
    const answer = await this.#do({ method: "GET", target: `${PREFIX}/leader` }, signal, [200]);
    return readMember(objectIn(answer));
  }

  async add(peerUrl: string, signal: Signal): Promise<Member> {
    const body = peerUrlsBody([peerUrl]);
    const action = { method: "POST", target: PREFIX, headers: JSON_HEADERS, body };
    const answer = await this.#do(action, signal, [201, 409]);
    if (answer.status !== 201) throw messageIn(answer);
    return readMember(objectIn(answer));
  }

  async update(id: string, peerUrls: readonly string[], signal: Signal): Promise<void> {
    const body = peerUrlsBody(peerUrls);
    const action = { method: "PUT", target: memberTarget(id), headers: JSON_HEADERS, body };
    const answer = await this.#do(action, signal, [204, 404, 409]);
    if (answer.status !== 204) throw messageIn(answer);
  }

  async remove(id: string, signal: Signal): Promise<void> {
    await this.#do({ method: "DELETE", target: memberTarget(id) }, signal, [204, 410]);
  }

  async #do(action: Action, signal: Signal, allowed: readonly number[]): Promise<HttpAnswer> {
    const answer = await this.#client.do(action, signal);
    if (!allowed.includes(answer.status)) {
      throw new ClientError(`unexpected status code ${answer.status}`);
    }
    return answer;
  }
}

/** Learns the addresses of all members; those without one cannot be told apart from none. */
export async function syncEndpoints(client: ClusterClient, signal: Signal): Promise<void> {
  const members = await new MembersApi(client).list(signal);
  if (signal?.aborted === true) throw new DeadlineError();
  client.use(members.flatMap((member) => member.clientURLs));
}

/** @throws TextError in etcd's words when an address is none that peers can have. */
function peerUrlsBody(urls: readonly string[]): string {
  return JSON.stringify({ peerURLs: urls.map((url) => parseEtcdUrl(url).href).sort() });
}

function memberTarget(id: string): string {
  return `${PREFIX}/${escapePath(id)}`;
}

function objectIn({ body }: HttpAnswer): Readonly<Record<string, unknown>> {
  return parseGoJson(body.toString("utf8"));
}

function messageIn(answer: HttpAnswer): ClientError {
  const { message } = objectIn(answer);
  return new ClientError(typeof message === "string" ? message : "");
}

function readMember(value: unknown): Member {
  const { id, name, peerURLs, clientURLs } = (value ?? {}) as Record<string, unknown>;
  return {
    id: typeof id === "string" ? id : "",
    name: typeof name === "string" ? name : "",
    peerURLs: textsOf(peerURLs),
    clientURLs: textsOf(clientURLs),
  };
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
