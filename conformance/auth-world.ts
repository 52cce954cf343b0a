/**
 * Members with users: calls by a user at one member, and what a stopped member's db holds of users
 * and roles, byte by byte.
 */
import { join } from "node:path";
import { Permission_Type, User } from "../src/api/gen/auth.ts";
import { openBackend } from "../src/backend/index.ts";
import { EMPTY_BYTES } from "../src/base/bytes.ts";
import { bytes, RpcClient, text } from "../src/embed/e2e/rpc-client.ts";
import { SystemClock } from "../src/env/index.ts";
import { NullLogger } from "../src/env/testing/index.ts";
import { NodeDisk } from "../src/platform/index.ts";
import type { EtcdProcess } from "./harness.ts";

const AUTH_BUCKETS: readonly string[] = ["auth", "authUsers", "authRoles"];

export function passwordOf(user: string): string {
  return `${user}'s secret`;
}

/** One member, asked by one user, or by nobody while authentication is off. */
export class UserSession implements Disposable {
  readonly token: string;
  readonly #client: RpcClient;

  private constructor(client: RpcClient, token: string) {
    this.#client = client;
    this.token = token;
  }

  static async open({ clientUrl }: EtcdProcess, token = ""): Promise<UserSession> {
    return new UserSession(await RpcClient.connect(Number(new URL(clientUrl).port)), token);
  }

  static async logIn(
    member: EtcdProcess,
    name: string,
    password = passwordOf(name),
  ): Promise<UserSession> {
    const client = await RpcClient.connect(Number(new URL(member.clientUrl).port));
    const { token } = await client.call("/etcdserverpb.Auth/Authenticate", { name, password });
    return new UserSession(client, token);
  }

  readonly call: RpcClient["call"] = (path, request) => {
    const metadata: Record<string, string> = this.token === "" ? {} : { token: this.token };
    return this.#client.call(path, request, { metadata });
  };

  async put(key: string, value: string): Promise<number> {
    const { header } = await this.call("/etcdserverpb.KV/Put", {
      key: bytes(key),
      value: bytes(value),
    });
    return header?.revision ?? 0;
  }

  async get(key: string): Promise<string | undefined> {
    const { kvs } = await this.call("/etcdserverpb.KV/Range", { key: bytes(key) });
    return kvs[0] && text(kvs[0].value);
  }

  /** A user with a role of the same name, who may read and write what begins with the name. */
  async addUser(name: string): Promise<void> {
    const prefix = `${name}/`;
    await this.call("/etcdserverpb.Auth/UserAdd", { name, password: passwordOf(name) });
    await this.call("/etcdserverpb.Auth/RoleAdd", { name });
    await this.call("/etcdserverpb.Auth/RoleGrantPermission", {
      name,
      perm: {
        permType: Permission_Type.READWRITE,
        key: bytes(prefix),
        rangeEnd: bytes(`${name}0`),
      },
    });
    await this.call("/etcdserverpb.Auth/UserGrantRole", { user: name, role: name });
  }

  /** Adds root and switches authentication on; sessions from now on need a login. */
  async enableAuth(): Promise<void> {
    await this.call("/etcdserverpb.Auth/UserAdd", { name: "root", password: passwordOf("root") });
    await this.call("/etcdserverpb.Auth/RoleAdd", { name: "root" });
    await this.call("/etcdserverpb.Auth/UserGrantRole", { user: "root", role: "root" });
    await this.call("/etcdserverpb.Auth/AuthEnable", {});
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

/**
 * The records of the auth buckets in the db of a member that does not run, as "bucket key value" in
 * hex. `withHashes` false leaves the hashes of passwords out.
 */
export async function authRecords(dataDir: string, withHashes = true): Promise<string[]> {
  const deps = { disk: new NodeDisk(), clock: new SystemClock(), logger: new NullLogger() };
  const path = join(dataDir, "member", "snap", "db");
  const db = await openBackend(deps, path, { readOnly: true });
  const records: string[] = [];
  const hex = (of: Uint8Array): string => Buffer.from(of).toString("hex");
  try {
    for (const bucket of db.buckets()) {
      if (!AUTH_BUCKETS.includes(bucket.name)) continue;
      const hidesHash = bucket.name === "authUsers" && !withHashes;
      db.scan(bucket, EMPTY_BYTES, undefined, (key, value) => {
        const shown = hidesHash ? withoutHash(value) : value;
        records.push(`${bucket.name} ${hex(key)} ${hex(shown)}`);
        return true;
      });
    }
  } finally {
    await db.close();
  }
  return records;
}

function withoutHash(record: Uint8Array): Uint8Array {
  return User.encode({ ...User.decode(record), password: EMPTY_BYTES });
}
