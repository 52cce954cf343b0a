/** Users, roles and the switch of authentication over the v2 HTTP API. */
import { cleanPath, escapePath } from "./address.ts";
import type { ClusterClient } from "./cluster-client.ts";
import { ClientError } from "./errors.ts";
import { parseGoJson } from "./go-json-error.ts";
import type { HttpAnswer } from "./transport.ts";

export interface User {
  readonly user: string;
  readonly roles: readonly string[];
}

export interface Role {
  readonly role: string;
  readonly read: readonly string[];
  readonly write: readonly string[];
}

export interface Access {
  readonly read: boolean;
  readonly write: boolean;
}

type Signal = AbortSignal | undefined;
type JsonObject = Readonly<Record<string, unknown>>;

const PREFIX = "/v2/auth";
const JSON_HEADERS = { "Content-Type": "application/json" };
const NO_PERMISSIONS = { kv: { read: null, write: null } };

export class AuthApi {
  readonly #client: ClusterClient;

  constructor(client: ClusterClient) {
    this.#client = client;
  }

  async switchTo(enabled: boolean, signal: Signal): Promise<void> {
    await this.#do(enabled ? "PUT" : "DELETE", "enable", undefined, signal, [200, 201]);
  }

  async users(signal: Signal): Promise<readonly string[]> {
    const answer = await this.#do("GET", "users", undefined, signal, [200]);
    return listOf(objectIn(answer).users).map((entry) => String(fieldOf(entry, "user") ?? ""));
  }

  async user(name: string, signal: Signal): Promise<User> {
    return readUser(await this.#do("GET", named("users", name), undefined, signal, [200]));
  }

  async addUser(name: string, password: string, signal: Signal): Promise<void> {
    await this.#do("PUT", named("users", name), userBody(name, password), signal, [200, 201]);
  }

  async removeUser(name: string, signal: Signal): Promise<void> {
    await this.#do("DELETE", named("users", name), undefined, signal, [200, 201]);
  }

  async changePassword(name: string, password: string, signal: Signal): Promise<void> {
    const body = userBody(name, password);
    readUser(await this.#do("PUT", named("users", name), body, signal, [200]));
  }

  async changeRoles(
    name: string,
    how: "grant" | "revoke",
    roles: readonly string[],
    signal: Signal,
  ): Promise<void> {
    const body = { user: name, roles: null, [how]: roles };
    readUser(await this.#do("PUT", named("users", name), body, signal, [200]));
  }

  async roles(signal: Signal): Promise<readonly string[]> {
    const answer = await this.#client.do(
      { method: "GET", target: `${PREFIX}/roles`, headers: JSON_HEADERS },
      signal,
    );
    if (answer.status !== 200) throw new ClientError(`unexpected status code ${answer.status}`);
    return listOf(objectIn(answer).roles).map((entry) => String(fieldOf(entry, "role") ?? ""));
  }

  async role(name: string, signal: Signal): Promise<Role> {
    return readRole(await this.#do("GET", named("roles", name), undefined, signal, [200]));
  }

  async addRole(name: string, signal: Signal): Promise<void> {
    const body = { role: name, permissions: NO_PERMISSIONS };
    await this.#do("PUT", named("roles", name), body, signal, [200, 201]);
  }

  async removeRole(name: string, signal: Signal): Promise<void> {
    await this.#do("DELETE", named("roles", name), undefined, signal, [200, 201]);
  }

  async changeAccess(
    name: string,
    how: "grant" | "revoke",
    path: string,
    { read, write }: Access,
    signal: Signal,
  ): Promise<Role> {
    const kv = { read: read ? [path] : null, write: write ? [path] : null };
    const body = { role: name, permissions: NO_PERMISSIONS, [how]: { kv } };
    return readRole(await this.#do("PUT", named("roles", name), body, signal, [200]));
  }

  async #do(
    method: string,
    path: string,
    body: JsonObject | undefined,
    signal: Signal,
    allowed: readonly number[],
  ): Promise<HttpAnswer> {
    const content = body === undefined ? {} : { headers: JSON_HEADERS, body: goJsonText(body) };
    const target = escapePath(cleanPath(`${PREFIX}/${path}`).replace(/(.)\/$/, "$1"));
    const answer = await this.#client.do({ method, target, ...content }, signal);
    if (allowed.includes(answer.status)) return answer;
    const { message } = objectIn(answer);
    throw new ClientError(typeof message === "string" ? message : "");
  }
}

function named(kind: "users" | "roles", name: string): string {
  return name === "" ? kind : `${kind}/${name}`;
}

/** Shown with --debug, where Go escapes what HTML knows. */
export function goJsonText(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function userBody(user: string, password: string): JsonObject {
  return { user, ...(password === "" ? {} : { password }), roles: null };
}

function objectIn({ body }: HttpAnswer): JsonObject {
  return parseGoJson(body.toString("utf8"));
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as JsonObject)[name] : undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/**
 * Roles come as names, or with all that they permit. Of the latter etcd's client first keeps an
 * empty name each; scripts know the blanks that result.
 */
function readUser(answer: HttpAnswer): User {
  const content = objectIn(answer);
  const roles = listOf(content.roles);
  const names = roles.filter((role) => typeof role === "string");
  const isDetailed = names.length < roles.length;
  const first = isDetailed ? roles.map((role) => (typeof role === "string" ? role : "")) : names;
  const second = isDetailed ? roles.map((role) => String(fieldOf(role, "role") ?? "")) : [];
  return { user: String(content.user ?? ""), roles: [...first, ...second] };
}

function readRole(answer: HttpAnswer): Role {
  const content = objectIn(answer);
  const kv = fieldOf(content.permissions, "kv");
  return {
    role: String(content.role ?? ""),
    read: listOf(fieldOf(kv, "read")).map(String),
    write: listOf(fieldOf(kv, "write")).map(String),
  };
}
