/**
 * A cluster with authentication as its clients see it, in the plainest form: the model of users and
 * permissions, tokens, a set of keys, leases. It answers each request with the text that etcd's
 * answer has (`auth-requests.ts`).
 */
import { type ErrorKind, EtcdError, formatStatus } from "../../api/errors.ts";
import { type Identity, NOBODY, ROOT_ROLE } from "../../auth/index.ts";
import { AuthModel } from "../../auth/testing/auth-model.ts";
import { RANGE_BOUNDS } from "../../auth/testing/random-auth.ts";
import {
  type AuthRequest,
  type KeyOperation,
  keysText,
  permissionText,
  type Txn,
} from "./auth-requests.ts";

/** How login tokens know their users: by the members' memory, or by what is written in them. */
export type TokenKind = "simple" | "jwt";

/** Go etcd tells who has no password, and its watches go on without the right to read. */
export type Implementation = "ours" | "go";

/**
 * A user, by the password of the record. (Hashes with a salt differ where the same password is set
 * anew: such a watch of a real member ends.)
 */
export interface Bearer {
  readonly name: string;
  readonly password: string | undefined;
}

interface ModelToken {
  readonly username: string;
  /** That of the login. */
  readonly authRevision: number;
  isLive: boolean;
}

/** A refusal, as etcd's errors read. */
export function refusalText(kind: ErrorKind): string {
  const { code, message } = new EtcdError(kind);
  return formatStatus(code, message);
}

class Refused extends Error {
  readonly kind: ErrorKind;

  constructor(kind: ErrorKind) {
    super(kind);
    this.kind = kind;
  }
}

function refuse(kind: ErrorKind | undefined): void {
  if (kind !== undefined) throw new Refused(kind);
}

export class AuthWorldModel {
  readonly auth: AuthModel = new AuthModel(RANGE_BOUNDS);
  /** By number of their login; a number that no login has is a bad token's. */
  readonly tokens: ModelToken[] = [];
  /** The lease of each key that is there; 0 for none. */
  readonly keys = new Map<string, bigint>();
  readonly leases = new Set<bigint>();
  revision = 1;
  readonly #tokenKind: TokenKind;
  readonly #implementation: Implementation;

  constructor(tokenKind: TokenKind, implementation: Implementation) {
    this.#tokenKind = tokenKind;
    this.#implementation = implementation;
  }

  /** The text of the answer to a caller with this token; none is nobody. */
  answer(request: AuthRequest, token: number | undefined): string {
    return this.#textOf(() => {
      const content = this.#answer(request, token);
      const { kind } = request;
      const at = kind === "leaseShow" || kind === "leaseList" ? "" : `${this.revision} `;
      return `${at}${content}`.trimEnd();
    });
  }

  /** What a renewal is answered with. */
  renew(lease: bigint, token: number | undefined): string {
    return this.#textOf(() => {
      const who = this.#callerWho(token);
      this.#leaseAccess(who, lease, "write");
      return this.leases.has(lease) ? "lives" : "0";
    });
  }

  /** "created", or why a watch may not be. */
  watch(key: string, end: string, token: number | undefined): string {
    return this.#textOf(() => {
      refuse(this.auth.access(this.identify(token), "read", key, end));
      const isEmpty = end !== "" && end !== "\0" && key >= end;
      return isEmpty ? "mvcc: watcher range is empty" : "created";
    });
  }

  /**
   * Whose a stream is: its token's user, and when the token has ended the one that it was, while the
   * password is the same.
   */
  bearer(token: number | undefined, last: Bearer | undefined): Bearer | undefined {
    if (!this.auth.enabled) return last;
    const isLive = token !== undefined && this.tokens[token]?.isLive === true;
    const name = isLive ? this.tokens[token]?.username : last?.name;
    if (name === undefined) return undefined;
    const password = this.auth.users.get(name)?.password;
    return isLive || password === last?.password ? { name, password } : undefined;
  }

  /** Whether a watch of this user goes on after a change of permissions. */
  maySee(key: string, end: string, bearer: Bearer | undefined): boolean {
    const username = bearer?.name ?? "";
    const authRevision = bearer === undefined ? 0 : this.auth.revision;
    return this.auth.access({ username, authRevision }, "read", key, end) === undefined;
  }

  identify(token: number | undefined): Identity {
    if (!this.auth.enabled || token === undefined) return NOBODY;
    const known = this.tokens[token];
    if (known === undefined || !known.isLive) throw new Refused("invalidAuthToken");
    const { username, authRevision } = known;
    return this.#tokenKind === "jwt"
      ? { username, authRevision }
      : { username, authRevision: this.auth.revision };
  }

  #textOf(answer: () => string): string {
    try {
      return answer();
    } catch (error) {
      if (error instanceof Refused) return refusalText(error.kind);
      throw error;
    }
  }

  #answer(request: AuthRequest, token: number | undefined): string {
    switch (request.kind) {
      case "login":
        return this.#login(request.name, request.password);
      case "change":
        return this.#change(request.change, token);
      case "status":
        refuse(this.auth.admin(this.identify(token)));
        return `${this.auth.enabled} ${this.auth.revision}`;
      case "userGet":
      case "userList":
      case "roleGet":
      case "roleList":
        return this.#show(request, this.identify(token));
      case "leaseGrant":
      case "leaseRevoke":
      case "leaseShow":
      case "leaseList":
        return this.#lease(request, token);
      case "serializable":
        return this.#operation({ ...request, kind: "range" }, this.identify(token));
      default:
        return this.#operation(request, this.identify(token));
    }
  }

  #login(name: string, password: string): string {
    const { enabled, users, revision: authRevision } = this.auth;
    if (!enabled) throw new Refused("authNotEnabled");
    const user = users.get(name);
    const tells = this.#implementation === "go" && user?.noPassword === true;
    if (user?.password !== password) throw new Refused(tells ? "noPasswordUser" : "authFailed");
    this.tokens.push({ username: name, authRevision, isLive: true });
    return "";
  }

  #change(
    change: Extract<AuthRequest, { kind: "change" }>["change"],
    token: number | undefined,
  ): string {
    refuse(this.auth.admin(this.identify(token)));
    refuse(this.auth.change(change));
    if (this.#tokenKind === "jwt") return "";
    const ends =
      change.kind === "userDelete" || change.kind === "userPassword" ? change.name : undefined;
    for (const each of this.tokens) {
      if (change.kind === "disable" || each.username === ends) each.isLive = false;
    }
    return "";
  }

  #show(
    request: Extract<AuthRequest, { kind: "userGet" | "userList" | "roleGet" | "roleList" }>,
    who: Identity,
  ): string {
    const { auth } = this;
    const refusal = auth.admin(who);
    switch (request.kind) {
      case "userList":
        refuse(refusal);
        return [...auth.users.keys()].sort().join(",");
      case "roleList":
        refuse(refusal);
        return [...auth.roles.keys()].sort().join(",");
      case "userGet": {
        if (request.name !== who.username) refuse(refusal);
        const user = auth.users.get(request.name);
        if (user === undefined) throw new Refused("userNotFound");
        return user.roles.join(",");
      }
      case "roleGet": {
        const isOwn = auth.users.get(who.username)?.roles.includes(request.name) === true;
        if (!isOwn) refuse(refusal);
        const permissions = auth.roles.get(request.name);
        if (permissions === undefined) throw new Refused("roleNotFound");
        if (request.name === ROOT_ROLE) return permissionText(2, "", "\0");
        return permissions.map(({ type, key, end }) => permissionText(type, key, end)).join(",");
      }
    }
  }

  /** Somebody, where that is asked for. */
  #callerWho(token: number | undefined): Identity {
    const who = this.identify(token);
    if (this.auth.enabled && who === NOBODY) throw new Refused("userEmpty");
    return who;
  }

  #lease(
    request: Extract<AuthRequest, { kind: `lease${string}` }>,
    token: number | undefined,
  ): string {
    const who = this.#callerWho(token);
    switch (request.kind) {
      case "leaseGrant":
        if (this.leases.has(request.lease)) throw new Refused("leaseExists");
        this.leases.add(request.lease);
        return "";
      case "leaseRevoke": {
        this.#leaseAccess(who, request.lease, "write");
        if (!this.leases.delete(request.lease)) throw new Refused("leaseNotFound");
        const held = this.#keysOf(request.lease);
        for (const key of held) this.keys.delete(key);
        if (held.length > 0) this.revision++;
        return "";
      }
      case "leaseShow": {
        if (request.keys) this.#leaseAccess(who, request.lease, "read");
        if (!this.leases.has(request.lease)) return `-1 ${keysText([])}`;
        return `lives ${keysText(request.keys ? this.#keysOf(request.lease) : [])}`;
      }
      case "leaseList":
        for (const lease of this.leases) this.#leaseAccess(who, lease, "read");
        return [...this.leases].map(String).sort().join(",");
    }
  }

  #keysOf(lease: bigint): string[] {
    return [...this.keys].flatMap(([key, holder]) => (holder === lease ? [key] : []));
  }

  #leaseAccess(who: Identity, lease: bigint, access: "read" | "write"): void {
    if (!this.leases.has(lease) || this.auth.admin(who) === undefined) return;
    for (const key of this.#keysOf(lease)) refuse(this.auth.access(who, access, key));
  }

  #operation(operation: KeyOperation, who: Identity): string {
    this.#check(operation, who);
    const before = this.revision;
    const path = pathOf(operation, this.keys);
    for (const { lease } of putsOf(path)) {
      if (lease !== 0n && !this.leases.has(lease)) throw new Refused("leaseNotFound");
    }
    const { text, changes } = this.#carryOut(path);
    if (changes > 0) this.revision = before + 1;
    // A read that needs no permission is still refused to who was identified before a change.
    const { authRevision } = who;
    const isOld = this.auth.enabled && authRevision !== 0 && authRevision !== this.auth.revision;
    if (isOld && isReadonly(operation)) throw new Refused("authOldRevision");
    return text;
  }

  #check(operation: KeyOperation, who: Identity): void {
    const { auth } = this;
    switch (operation.kind) {
      case "range":
        return refuse(auth.access(who, "read", operation.key, operation.end));
      case "put":
        refuse(auth.access(who, "write", operation.key));
        if (operation.lease !== 0n) this.#leaseAccess(who, operation.lease, "write");
        return operation.prev ? refuse(auth.access(who, "read", operation.key)) : undefined;
      case "delete": {
        const { key, end, prev } = operation;
        refuse(auth.access(who, "write", key, end));
        return prev ? refuse(auth.access(who, "read", key, end)) : undefined;
      }
      case "txn": {
        const { compare, success, failure } = operation;
        for (const { key, end } of compare) refuse(auth.access(who, "read", key, end));
        for (const each of [...success, ...failure]) this.#check(each, who);
      }
    }
  }

  #carryOut(path: Path): { readonly text: string; readonly changes: number } {
    switch (path.kind) {
      case "put": {
        const isPrevious = path.prev && this.keys.has(path.key);
        this.keys.set(path.key, path.lease);
        return { text: `put ${isPrevious}`, changes: 1 };
      }
      case "range":
        return { text: `range ${keysText(within(this.keys, path.key, path.end))}`, changes: 0 };
      case "delete": {
        const gone = within(this.keys, path.key, path.end);
        for (const key of gone) this.keys.delete(key);
        const text = `delete ${gone.length} ${keysText(path.prev ? gone : [])}`;
        return { text, changes: gone.length };
      }
      case "txn": {
        const done = path.taken.map((each) => this.#carryOut(each));
        const texts = done.map(({ text }) => text);
        const changes = done.reduce((sum, each) => sum + each.changes, 0);
        return { text: `txn ${path.succeeded} (${texts.join("; ")})`, changes };
      }
    }
  }
}

/** An operation after all comparisons were decided, which is before any of it is carried out. */
type Path =
  | Exclude<KeyOperation, { kind: "txn" }>
  | { readonly kind: "txn"; readonly succeeded: boolean; readonly taken: readonly Path[] };

function pathOf(operation: KeyOperation, keys: ReadonlyMap<string, bigint>): Path {
  if (operation.kind !== "txn") return operation;
  const succeeded = operation.compare.every((each) => isTrue(each, keys));
  const taken = succeeded ? operation.success : operation.failure;
  return { kind: "txn", succeeded, taken: taken.map((each) => pathOf(each, keys)) };
}

function putsOf(path: Path): readonly Extract<KeyOperation, { kind: "put" }>[] {
  if (path.kind === "put") return [path];
  return path.kind === "txn" ? path.taken.flatMap(putsOf) : [];
}

/** What needs no entry of the log; a transaction within one does, whatever is in it. */
function isReadonly(operation: KeyOperation): boolean {
  if (operation.kind !== "txn") return operation.kind === "range";
  return [...operation.success, ...operation.failure].every(({ kind }) => kind === "range");
}

/** "Is there" of no key is false, "is not there" of no key is true. */
function isTrue(compare: Txn["compare"][number], keys: ReadonlyMap<string, bigint>): boolean {
  const found = within(keys, compare.key, compare.end).length;
  return compare.isThere ? found > 0 : found === 0;
}

export function within(
  keys: ReadonlyMap<string, unknown>,
  key: string,
  end: string,
): readonly string[] {
  if (end === "") return keys.has(key) ? [key] : [];
  return [...keys.keys()].filter((each) => each >= key && (end === "\0" || each < end)).sort();
}
