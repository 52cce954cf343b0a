/** `/v2/auth`: users, roles, and whether they are asked for. */
import { utf8FromBytes } from "../base/bytes.ts";
import { formatID } from "../base/ids.ts";
import { HttpBodyTooLarge, type HttpRequest, type HttpResponse } from "../env/http.ts";
import { goJSON } from "../membership/index.ts";
import type { Access } from "./access.ts";
import {
  isEmptyPermissions,
  type Role,
  roleFromJSON,
  type User,
  userFromJSON,
} from "./auth-records.ts";
import type { V2AuthStore } from "./auth-store.ts";
import type { V2Backend } from "./backend.ts";
import { allowMethods, type Exchange, MessageError, sendJSON, sendMessage } from "./reply.ts";

export const AUTH_PREFIX = "/v2/auth";

/** A user or role; far above any that works. */
const MAX_AUTH_BODY_BYTES = 1_048_576;

interface Answer {
  readonly status: number;
  /** Undefined: nothing but the head. */
  readonly content: unknown;
}

const DONE: Answer = { status: 200, content: undefined };

export class AuthHandler {
  readonly #backend: V2Backend;
  readonly #store: V2AuthStore;
  readonly #access: Access;

  constructor(backend: V2Backend, store: V2AuthStore, access: Access) {
    this.#backend = backend;
    this.#store = store;
    this.#access = access;
  }

  async serve(path: string, request: HttpRequest, response: HttpResponse): Promise<void> {
    const [kind = "", name = "", ...rest] = path.slice(AUTH_PREFIX.length + 1).split("/");
    const bare: Exchange = { request, response, headers: {} };
    if (rest.length > 0 && (rest.length > 1 || rest[0] !== "")) {
      sendMessage(bare, new MessageError(400, "Invalid path"));
      return;
    }
    const methods = kind === "enable" || name !== "" ? ["GET", "PUT", "DELETE"] : ["GET"];
    if (!allowMethods(request, response, methods)) return;
    const headers = { "X-Etcd-Cluster-Id": formatID(this.#backend.clusterID) };
    try {
      const isOpen = kind === "enable" && request.method === "GET";
      if (!isOpen && !(await this.#access.toAll(request))) {
        sendMessage(bare, new MessageError(401, "Insufficient credentials"));
        return;
      }
      const { status, content } = await this.#do(kind, name, request);
      const json = content === undefined ? "" : `${goJSON(content)}\n`;
      sendJSON({ ...bare, headers }, status, json);
    } catch (error) {
      sendMessage({ ...bare, headers }, error);
    }
  }

  #do(kind: string, name: string, request: HttpRequest): Promise<Answer> | Answer {
    if (kind === "enable") return this.#enable(request);
    if (kind === "users") return name === "" ? this.#users() : this.#user(name, request);
    return name === "" ? this.#roles() : this.#role(name, request);
  }

  async #enable({ method }: HttpRequest): Promise<Answer> {
    if (method === "GET") return { status: 200, content: { enabled: this.#store.isEnabled } };
    if (method === "PUT") await this.#store.enable();
    else await this.#store.disable();
    return DONE;
  }

  async #users(): Promise<Answer> {
    const known = new Set(await this.#store.roles());
    const users = (await this.#store.users()).map((name) => {
      const { user, roles } = this.#store.user(name);
      return this.#shown(user, this.#known(roles ?? [], known));
    });
    return { status: 200, content: { users: users.length === 0 ? null : users } };
  }

  #shown(user: string, roles: readonly Role[]): unknown {
    return roles.length === 0 ? { user } : { user, roles };
  }

  /** A role that is gone is passed over. */
  #known(names: readonly string[], all: ReadonlySet<string>): Role[] {
    return names.filter((name) => all.has(name)).map((name) => this.#store.role(name));
  }

  async #roles(): Promise<Answer> {
    const roles = (await this.#store.roles()).map((name) => this.#store.role(name));
    return { status: 200, content: { roles } };
  }

  async #user(name: string, request: HttpRequest): Promise<Answer> {
    switch (request.method) {
      case "GET": {
        const { user, roles } = this.#store.user(name);
        const all = (roles ?? []).map((role) => this.#store.role(role));
        return { status: 200, content: this.#shown(user, all) };
      }
      case "PUT":
        return this.#putUser(name, await read(request, userFromJSON));
      default:
        await this.#store.deleteUser(name);
        return DONE;
    }
  }

  async #putUser(name: string, given: User): Promise<Answer> {
    if (given.user !== name) {
      throw new MessageError(400, "User JSON name does not match the name in the URL");
    }
    const hasRoles = (given.roles ?? []).length > 0;
    if (given.grant !== undefined || given.revoke !== undefined) {
      if (hasRoles) {
        throw new MessageError(400, "User JSON contains both roles and grant/revoke");
      }
      return withoutPassword(200, await this.#store.updateUser(given));
    }
    if (hasRoles) return withoutPassword(200, await this.#store.createUser(given));
    const { user, isNew } = await this.#store.createOrUpdateUser(given);
    return withoutPassword(isNew ? 201 : 200, user);
  }

  async #role(name: string, request: HttpRequest): Promise<Answer> {
    switch (request.method) {
      case "GET":
        return { status: 200, content: this.#store.role(name) };
      case "PUT":
        return this.#putRole(name, await read(request, roleFromJSON));
      default:
        await this.#store.deleteRole(name);
        return DONE;
    }
  }

  async #putRole(name: string, given: Role): Promise<Answer> {
    if (given.role !== name) {
      throw new MessageError(400, "Role JSON name does not match the name in the URL");
    }
    if (isEmptyPermissions(given.grant) && isEmptyPermissions(given.revoke)) {
      await this.#store.createRole(given);
      return { status: 201, content: given };
    }
    if (!isEmptyPermissions(given.permissions)) {
      throw new MessageError(400, "Role JSON contains both permissions and grant/revoke");
    }
    return { status: 200, content: await this.#store.updateRole(given) };
  }
}

function withoutPassword(status: number, { user, roles }: User): Answer {
  return { status, content: { user, roles } };
}

/** Rejects with `MessageError`. */
async function read<T>(request: HttpRequest, parse: (text: string) => T): Promise<T> {
  try {
    return parse(utf8FromBytes(await request.readBody(MAX_AUTH_BODY_BYTES)));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof HttpBodyTooLarge) {
      throw new MessageError(400, "Invalid JSON in request body.");
    }
    throw error;
  }
}
