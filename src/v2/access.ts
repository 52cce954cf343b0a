/** Who asks, by basic authentication or certificate, and what they may do. */
import { utf8FromBytes } from "../base/bytes.ts";
import type { HttpRequest } from "../env/http.ts";
import { GUEST, ROOT, type Role, type User } from "./auth-records.ts";
import type { V2AuthStore } from "./auth-store.ts";
import type { V2Backend } from "./backend.ts";
import { MessageError } from "./reply.ts";

export class Access {
  readonly #backend: V2Backend;
  readonly #store: V2AuthStore;

  constructor(backend: V2Backend, store: V2AuthStore) {
    this.#backend = backend;
    this.#store = store;
  }

  /** Whether a request may do to a key what its method says. Without users at once. */
  toKey(request: HttpRequest, key: string, isRecursive: boolean): boolean | Promise<boolean> {
    return this.#store.isEnabled ? this.#toKey(request, key, isRecursive) : true;
  }

  async #toKey(request: HttpRequest, key: string, isRecursive: boolean): Promise<boolean> {
    const isWrite = request.method !== "GET" && request.method !== "HEAD";
    const user = await this.#userOf(request);
    const hasName = (request.headers["authorization"] ?? "") !== "";
    if (user === undefined && hasName) return false;
    // As in etcd, what the guest may do to a key goes for all below it.
    const isTree = isRecursive && user !== undefined;
    const roles = user === undefined ? [GUEST] : (user.roles ?? []);
    for (const name of roles) {
      const role = this.#roleNamed(name);
      if (role !== undefined && allows(role, key, isWrite, isTree)) return true;
    }
    this.#backend.logger.warn(
      user === undefined
        ? "invalid access for a guest role on key"
        : "invalid access for user on key",
      { ...(user === undefined ? { "role-name": GUEST } : { "user-name": user.user }), key },
    );
    return false;
  }

  /** Whether a request may do what only administrators may. */
  toAll(request: HttpRequest): boolean | Promise<boolean> {
    return this.#store.isEnabled ? this.#toAll(request) : true;
  }

  async #toAll(request: HttpRequest): Promise<boolean> {
    const user = await this.#userOf(request);
    if (user === undefined) return false;
    if (user.roles?.includes(ROOT) === true) return true;
    this.#backend.logger.warn("a user does not have root role for resource", {
      "root-user": user.user,
      "root-role-name": ROOT,
      "resource-path": request.path,
    });
    return false;
  }

  async #userOf(request: HttpRequest): Promise<User | undefined> {
    const { authorization } = request.headers;
    if (authorization === undefined || authorization === "") {
      const { certificateName } = request;
      if (!this.#backend.clientCertAuth || certificateName === undefined) return undefined;
      return this.#userNamed(certificateName);
    }
    const given = credentialsOf(authorization);
    const { logger } = this.#backend;
    if (given === undefined) {
      logger.warn("malformed basic auth encoding");
      return undefined;
    }
    const user = this.#userNamed(given.name);
    if (user === undefined) return undefined;
    if (await this.#store.verifyPassword(user, given.password, request.remote)) return user;
    logger.warn("incorrect password", { "user-name": given.name });
    return undefined;
  }

  #userNamed(name: string): User | undefined {
    return unlessMissing(() => this.#store.user(name));
  }

  #roleNamed(name: string): Role | undefined {
    return unlessMissing(() => this.#store.role(name));
  }
}

function unlessMissing<T>(get: () => T): T | undefined {
  try {
    return get();
  } catch (error) {
    if (error instanceof MessageError) return undefined;
    throw error;
  }
}

function allows(
  { role, permissions }: Role,
  key: string,
  isWrite: boolean,
  isTree: boolean,
): boolean {
  if (role === ROOT) return true;
  const { read, write } = permissions.kv;
  return ((isWrite ? write : read) ?? []).some((pattern) => {
    if (pattern.endsWith("*")) return key.startsWith(pattern.slice(0, -1));
    return !isTree && pattern !== "" && pattern === key;
  });
}

function credentialsOf(
  header: string,
): { readonly name: string; readonly password: string } | undefined {
  const match = /^basic ([A-Za-z0-9+/]*={0,2})$/i.exec(header);
  if (match === null) return undefined;
  const text = utf8FromBytes(Buffer.from(match[1] ?? "", "base64"));
  const colon = text.indexOf(":");
  return colon < 0 ? undefined : { name: text.slice(0, colon), password: text.slice(colon + 1) };
}
