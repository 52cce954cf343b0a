/**
 * Users, roles and the two settings as they lie in etcd's buckets `auth`, `authUsers` and
 * `authRoles`, byte for byte. Damage is an error: a record that cannot be read must let nobody in.
 */
import { errorMessage } from "../base/error-message.ts";
import { Role, User } from "../api/gen/auth.ts";
import {
  AUTH_BUCKET,
  AUTH_ROLES_BUCKET,
  AUTH_USERS_BUCKET,
  type Backend,
  type Bucket,
  type Reader,
} from "../backend/index.ts";
import {
  bytesFromUtf8,
  compareBytes,
  EMPTY_BYTES,
  equalBytes,
  utf8FromBytes,
} from "../base/bytes.ts";

const ENABLED_KEY = bytesFromUtf8("authEnabled");
const REVISION_KEY = bytesFromUtf8("authRevision");
const ENABLED = Uint8Array.of(1);
const DISABLED = Uint8Array.of(0);

class AuthRecordError extends Error {
  constructor(bucket: string, key: string, reason: string) {
    super(`record "${key}" of bucket "${bucket}" is damaged: ${reason}`);
    this.name = "AuthRecordError";
  }
}

/** Everything that the three buckets hold; keyed by name, in byte order of the names. */
export interface AuthRecords {
  readonly enabled: boolean;
  /** 0 when it was never written, as in a database whose first start has not ended. */
  readonly revision: number;
  readonly users: Map<string, User>;
  readonly roles: Map<string, Role>;
}

/** Throws `AuthRecordError` for a record that cannot be read. */
export function loadAuthRecords(reader: Reader): AuthRecords {
  return {
    enabled: readEnabled(reader),
    revision: readRevision(reader),
    users: readAll(reader, AUTH_USERS_BUCKET, decodeUser),
    roles: readAll(reader, AUTH_ROLES_BUCKET, (bytes) => Role.decode(bytes)),
  };
}

function readEnabled(reader: Reader): boolean {
  const value = reader.get(AUTH_BUCKET, ENABLED_KEY);
  if (value === undefined) return false;
  if (value.length === 1 && (value[0] === 0 || value[0] === 1)) return value[0] === 1;
  throw new AuthRecordError(AUTH_BUCKET.name, "authEnabled", "it is neither 0 nor 1");
}

function readRevision(reader: Reader): number {
  const value = reader.get(AUTH_BUCKET, REVISION_KEY);
  if (value === undefined) return 0;
  const damaged = (reason: string) => new AuthRecordError(AUTH_BUCKET.name, "authRevision", reason);
  if (value.length !== 8) throw damaged("it has not 8 bytes");
  const revision = Number(new DataView(value.buffer, value.byteOffset, 8).getBigUint64(0));
  if (!Number.isSafeInteger(revision)) throw damaged("it is out of range");
  return revision;
}

/** Where roles stand out of order, etcd does not find the role root. */
function decodeUser(bytes: Uint8Array): User {
  const user = User.decode(bytes);
  const names = user.roles.map(bytesFromUtf8);
  for (const [i, name] of names.entries()) {
    const next = names[i + 1];
    if (next !== undefined && compareBytes(name, next) >= 0) {
      throw new Error("its roles are not in order");
    }
  }
  return user;
}

function readAll<T extends { name: Uint8Array }>(
  reader: Reader,
  bucket: Bucket,
  decode: (bytes: Uint8Array) => T,
): Map<string, T> {
  const records = new Map<string, T>();
  reader.scan(bucket, EMPTY_BYTES, undefined, (key, value) => {
    const name = utf8FromBytes(key);
    try {
      // The record outlives the page that it lies in.
      const record = decode(Uint8Array.from(value));
      if (!equalBytes(record.name, key)) throw new Error("it has another name");
      records.set(name, record);
    } catch (error) {
      const reason = errorMessage(error);
      throw new AuthRecordError(bucket.name, name, reason);
    }
    return true;
  });
  return records;
}

export function saveEnabled(backend: Backend, enabled: boolean): void {
  backend.put(AUTH_BUCKET, ENABLED_KEY, enabled ? ENABLED : DISABLED);
}

export function saveRevision(backend: Backend, revision: number): void {
  const value = new Uint8Array(8);
  new DataView(value.buffer).setBigUint64(0, BigInt(revision));
  backend.put(AUTH_BUCKET, REVISION_KEY, value);
}

export function saveUser(backend: Backend, user: User): void {
  backend.put(AUTH_USERS_BUCKET, user.name, User.encode(user));
}

export function deleteUser(backend: Backend, user: User): void {
  backend.delete(AUTH_USERS_BUCKET, user.name);
}

export function saveRole(backend: Backend, role: Role): void {
  backend.put(AUTH_ROLES_BUCKET, role.name, Role.encode(role));
}

export function deleteRole(backend: Backend, role: Role): void {
  backend.delete(AUTH_ROLES_BUCKET, role.name);
}
