/** `/v2/members` and `/v2/machines`: who the members are, and changes of that. */
import { EtcdError } from "../api/errors.ts";
import { utf8FromBytes } from "../base/bytes.ts";
import { parseEtcdUrl } from "../base/etcd-url.ts";
import { TextError } from "../base/go-text.ts";
import { formatID, type MemberID } from "../base/ids.ts";
import { HttpBodyTooLarge, type HttpRequest, type HttpResponse } from "../env/http.ts";
import { sendError, sendText } from "../gateway/index.ts";
import { compareUtf8, goJSON, type Member, stringList } from "../membership/index.ts";
import type { Access } from "./access.ts";
import type { V2Backend } from "./backend.ts";
import { allowMethods, type Exchange, MessageError, sendJSON, sendMessage } from "./reply.ts";

export const MEMBERS_PREFIX = "/v2/members";

/** A list of addresses; far above any that works. */
const MAX_MEMBER_BODY_BYTES = 1_048_576;

export class MembersHandler {
  readonly #backend: V2Backend;
  readonly #access: Access;

  constructor(backend: V2Backend, access: Access) {
    this.#backend = backend;
    this.#access = access;
  }

  async serve(path: string, request: HttpRequest, response: HttpResponse): Promise<void> {
    if (!allowMethods(request, response, ["GET", "POST", "DELETE", "PUT"])) return;
    const bare: Exchange = { request, response, headers: {} };
    if (request.method !== "GET" && !(await this.#access.toAll(request))) {
      sendMessage(bare, new MessageError(401, "Insufficient credentials"));
      return;
    }
    const headers = { "X-Etcd-Cluster-Id": formatID(this.#backend.clusterID) };
    const exchange = { ...bare, headers };
    try {
      await this.#serve(exchange, path.slice(MEMBERS_PREFIX.length + 1));
    } catch (error) {
      sendMessage(exchange, error);
    }
  }

  async #serve(exchange: Exchange, name: string): Promise<void> {
    switch (exchange.request.method) {
      case "GET":
        this.#show(exchange, name);
        break;
      case "POST":
        await this.#add(exchange);
        break;
      case "PUT":
        await this.#withID(exchange, name, (id) => this.#update(exchange, id));
        break;
      case "DELETE":
        await this.#withID(exchange, name, (id) => this.#remove(exchange, id));
        break;
    }
  }

  #show(exchange: Exchange, name: string): void {
    const { members } = this.#backend;
    if (name === "") {
      const all = members.list().map(shown);
      sendJSON(exchange, 200, `${goJSON({ members: all })}\n`);
      return;
    }
    if (name !== "leader") throw new MessageError(404, "Not found");
    const leader = members.leader();
    if (leader === undefined) throw new MessageError(503, "During election");
    sendJSON(exchange, 200, `${goJSON(shown(leader))}\n`);
  }

  async #add(exchange: Exchange): Promise<void> {
    const peerURLs = await readPeerURLs(exchange.request);
    try {
      const member = await this.#backend.members.add(peerURLs);
      sendJSON(exchange, 201, `${goJSON(shown(member))}\n`);
    } catch (error) {
      throw isKind(error, "memberExists")
        ? new MessageError(409, "membership: ID exists")
        : takenURL(error);
    }
  }

  async #update(exchange: Exchange, id: MemberID): Promise<void> {
    const peerURLs = await readPeerURLs(exchange.request);
    try {
      await this.#backend.members.update(id, peerURLs);
    } catch (error) {
      throw isKind(error, "memberNotFound") ? noSuchMember(formatID(id)) : takenURL(error);
    }
    sendNothing(exchange);
  }

  async #remove(exchange: Exchange, id: MemberID): Promise<void> {
    const { members } = this.#backend;
    const wasRemoved = members.isRemoved(id);
    try {
      await members.remove(id);
    } catch (error) {
      if (!isKind(error, "memberNotFound")) throw error;
      if (!wasRemoved) throw noSuchMember(formatID(id));
      throw new MessageError(410, `Member permanently removed: ${formatID(id)}`);
    }
    sendNothing(exchange);
  }

  async #withID(
    { request, response, headers }: Exchange,
    name: string,
    change: (id: MemberID) => Promise<void>,
  ): Promise<void> {
    if (name === "") {
      sendError(request, response, 405, "Method Not Allowed", headers);
      return;
    }
    if (!/^0*[0-9a-fA-F]{1,16}$/.test(name)) throw noSuchMember(name);
    await change(BigInt(`0x${name}`));
  }
}

/** The client addresses of all members, in one line. */
export function serveMachines(
  { members }: V2Backend,
  request: HttpRequest,
  response: HttpResponse,
): void {
  if (!allowMethods(request, response, ["GET", "HEAD"])) return;
  const urls = members.list().flatMap(({ clientURLs }) => clientURLs);
  const text = urls.sort(compareUtf8).join(", ");
  sendText(request, response, 200, text, { "Content-Type": "text/plain; charset=utf-8" });
}

function shown({ id, name, peerURLs, clientURLs }: Member): unknown {
  return { id: formatID(id), name, peerURLs, clientURLs };
}

function sendNothing({ response, headers }: Exchange): void {
  response.head(204, headers);
  response.end();
}

function noSuchMember(name: string): MessageError {
  return new MessageError(404, `No such member: ${name}`);
}

function takenURL(error: unknown): unknown {
  if (!isKind(error, "peerURLExists")) return error;
  return new MessageError(409, "membership: peerURL exists");
}

function isKind(error: unknown, kind: EtcdError["kind"]): error is EtcdError {
  return error instanceof EtcdError && error.kind === kind;
}

/** Sorted. Rejects with `MessageError`. */
async function readPeerURLs(request: HttpRequest): Promise<string[]> {
  const given = request.headers["content-type"] ?? "";
  const type = given.includes(";") ? (given.split(";")[0] ?? "").trim().toLowerCase() : given;
  if (type !== "application/json") {
    throw new MessageError(415, `Bad Content-Type ${type}, accept application/json`);
  }
  try {
    const text = utf8FromBytes(await request.readBody(MAX_MEMBER_BODY_BYTES));
    if (text.trim() === "") throw new SyntaxError("unexpected end of JSON input");
    const body = JSON.parse(text) as { readonly peerURLs?: unknown } | null;
    const texts = stringList(body?.peerURLs, "peerURLs");
    if (texts.length === 0) throw new TextError("no valid URLs given");
    return texts.map((url) => parseEtcdUrl(url).href).sort(compareUtf8);
  } catch (error) {
    const isOfClient =
      error instanceof SyntaxError ||
      error instanceof TextError ||
      error instanceof HttpBodyTooLarge;
    if (isOfClient) throw new MessageError(400, error.message);
    throw error;
  }
}
