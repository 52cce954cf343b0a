/**
 * Who may call what: every RPC, in forms that need different permissions, by every kind of caller,
 * at one member with authentication switched on. What a cell gives is a text: "ok", or the code and
 * the words of the refusal.
 */
import assert from "node:assert/strict";
import { codeName } from "../src/api/errors.ts";
import { RangeRequest } from "../src/api/gen/rpc.ts";
import {
  bytes,
  compare,
  deleteOp,
  FROM_KEY,
  putOp,
  rangeOp,
  RpcClient,
  txnOp,
} from "../src/embed/e2e/rpc-client.ts";
import { RpcError } from "../src/transport/client/rpc-error.ts";

/** Who asks: the columns of a table, and what each of them sends. */
export interface Cast {
  readonly metadataOf: (caller: string) => Metadata;
  /** What root sends to mend between two cells; called anew each time. */
  readonly root: () => Promise<Metadata>;
}

export interface Scenario {
  readonly name: string;
  readonly callers: readonly string[];
  /** Users and roles are there, and authentication is on. */
  readonly cast: (client: RpcClient) => Promise<Cast>;
}

const PASSWORD = "a long password";
const READ = 0;
const WRITE = 1;
const READWRITE = 2;
/** Keys of the lease that lies within the granted range, and of the one outside of it. */
const INNER_LEASE = 71n;
const OUTER_LEASE = 72n;
const BARE_LEASE = 73n;
/** A member, a user and a role that do not exist: whoever may ask is told so. */
const NO_MEMBER = 1n;
const NO_NAME = "missing";

export type Metadata = Readonly<Record<string, string>>;

/** A client of one caller; a call that fails answers its code and words. */
class Attempt {
  readonly #client: RpcClient;
  readonly #metadata: Metadata;

  constructor(client: RpcClient, metadata: Metadata) {
    this.#client = client;
    this.#metadata = metadata;
  }

  readonly call: RpcClient["call"] = (path, request) =>
    this.#client.call(path, request, { metadata: this.#metadata });

  async watch(key: string, rangeEnd: Uint8Array = NO_BYTES): Promise<string> {
    const watch = this.#client.watch({ metadata: this.#metadata });
    const answer = await watch.create(key, { rangeEnd });
    watch.close();
    return answer.canceled ? `canceled: ${answer.cancelReason}` : "ok";
  }

  async keepAlive(ID: bigint): Promise<string> {
    const stream = this.#client.open("/etcdserverpb.Lease/LeaseKeepAlive", {
      metadata: this.#metadata,
    });
    stream.send({ ID });
    try {
      const { TTL } = await stream.next();
      return TTL > 0 ? "ok" : "gone";
    } finally {
      stream.raw.cancel();
    }
  }

  async snapshot(): Promise<string> {
    const stream = this.#client.open("/etcdserverpb.Maintenance/Snapshot", {
      metadata: this.#metadata,
    });
    stream.send({});
    stream.raw.halfClose();
    try {
      await stream.next();
      return "ok";
    } finally {
      stream.raw.cancel();
    }
  }
}

/** Another user each time: whoever fails too often has to wait. */
function nextUser(): string {
  const name = LOGIN_NAMES[logins++ % LOGIN_NAMES.length];
  assert.ok(name);
  return name;
}
const LOGIN_NAMES = ["reader", "writer", "owner", "idle", "changed"];
let logins = 0;

type Row = readonly [name: string, run: (attempt: Attempt) => Promise<unknown>];

const NO_BYTES = new Uint8Array(0);
const C = bytes("c");

const ROWS: readonly Row[] = [
  ["Range a", (t) => t.call("/etcdserverpb.KV/Range", { key: bytes("a") })],
  [
    "Range a, serializable",
    (t) => t.call("/etcdserverpb.KV/Range", { key: bytes("a"), serializable: true }),
  ],
  ["Range [a, c)", (t) => t.call("/etcdserverpb.KV/Range", { key: bytes("a"), rangeEnd: C })],
  [
    "Range [a, d)",
    (t) => t.call("/etcdserverpb.KV/Range", { key: bytes("a"), rangeEnd: bytes("d") }),
  ],
  [
    "Range from a",
    (t) => t.call("/etcdserverpb.KV/Range", { key: bytes("a"), rangeEnd: FROM_KEY }),
  ],
  ["Range z", (t) => t.call("/etcdserverpb.KV/Range", { key: bytes("z") })],
  ["Put a", (t) => t.call("/etcdserverpb.KV/Put", { key: bytes("a") })],
  ["Put a, previous", (t) => t.call("/etcdserverpb.KV/Put", { key: bytes("a"), prevKv: true })],
  [
    "Put a, inner lease",
    (t) => t.call("/etcdserverpb.KV/Put", { key: bytes("a"), lease: INNER_LEASE }),
  ],
  [
    "Put a, outer lease",
    (t) => t.call("/etcdserverpb.KV/Put", { key: bytes("a"), lease: OUTER_LEASE }),
  ],
  ["Put z", (t) => t.call("/etcdserverpb.KV/Put", { key: bytes("z"), lease: OUTER_LEASE })],
  ["DeleteRange aa", (t) => t.call("/etcdserverpb.KV/DeleteRange", { key: bytes("aa") })],
  [
    "DeleteRange [aa, ac), previous",
    (t) =>
      t.call("/etcdserverpb.KV/DeleteRange", {
        key: bytes("aa"),
        rangeEnd: bytes("ac"),
        prevKv: true,
      }),
  ],
  [
    "DeleteRange from zz",
    (t) => t.call("/etcdserverpb.KV/DeleteRange", { key: bytes("zz"), rangeEnd: FROM_KEY }),
  ],
  ...txnRows(),
  ["Compact", (t) => t.call("/etcdserverpb.KV/Compact", { revision: 1 })],
  ["Watch a", (t) => t.watch("a")],
  ["Watch [a, c)", (t) => t.watch("a", C)],
  ["Watch from a", (t) => t.watch("a", FROM_KEY)],
  ["Watch z", (t) => t.watch("z")],
  ["LeaseGrant", (t) => t.call("/etcdserverpb.Lease/LeaseGrant", { TTL: 1000 })],
  ["LeaseRevoke, bare", (t) => t.call("/etcdserverpb.Lease/LeaseRevoke", { ID: BARE_LEASE })],
  ["LeaseRevoke, inner", (t) => t.call("/etcdserverpb.Lease/LeaseRevoke", { ID: INNER_LEASE })],
  ["LeaseRevoke, outer", (t) => t.call("/etcdserverpb.Lease/LeaseRevoke", { ID: OUTER_LEASE })],
  ["LeaseKeepAlive, bare", (t) => t.keepAlive(BARE_LEASE)],
  ["LeaseKeepAlive, inner", (t) => t.keepAlive(INNER_LEASE)],
  ["LeaseKeepAlive, outer", (t) => t.keepAlive(OUTER_LEASE)],
  ["LeaseTimeToLive", (t) => t.call("/etcdserverpb.Lease/LeaseTimeToLive", { ID: OUTER_LEASE })],
  [
    "LeaseTimeToLive, inner keys",
    (t) => t.call("/etcdserverpb.Lease/LeaseTimeToLive", { ID: INNER_LEASE, keys: true }),
  ],
  [
    "LeaseTimeToLive, outer keys",
    (t) => t.call("/etcdserverpb.Lease/LeaseTimeToLive", { ID: OUTER_LEASE, keys: true }),
  ],
  ["LeaseLeases", (t) => t.call("/etcdserverpb.Lease/LeaseLeases", {})],
  ["MemberAdd", (t) => t.call("/etcdserverpb.Cluster/MemberAdd", { peerURLs: ["bad"] })],
  ["MemberRemove", (t) => t.call("/etcdserverpb.Cluster/MemberRemove", { ID: NO_MEMBER })],
  [
    "MemberUpdate",
    (t) =>
      t.call("/etcdserverpb.Cluster/MemberUpdate", { ID: NO_MEMBER, peerURLs: ["http://a:1"] }),
  ],
  ["MemberPromote", (t) => t.call("/etcdserverpb.Cluster/MemberPromote", { ID: NO_MEMBER })],
  ["MemberList", (t) => t.call("/etcdserverpb.Cluster/MemberList", {})],
  ["Alarm, list", (t) => t.call("/etcdserverpb.Maintenance/Alarm", {})],
  ["Alarm, disarm", (t) => t.call("/etcdserverpb.Maintenance/Alarm", { action: 2, alarm: 1 })],
  ["Status", (t) => t.call("/etcdserverpb.Maintenance/Status", {})],
  ["Defragment", (t) => t.call("/etcdserverpb.Maintenance/Defragment", {})],
  ["Hash", (t) => t.call("/etcdserverpb.Maintenance/Hash", {})],
  ["HashKV", (t) => t.call("/etcdserverpb.Maintenance/HashKV", {})],
  ["Snapshot", (t) => t.snapshot()],
  ["MoveLeader", (t) => t.call("/etcdserverpb.Maintenance/MoveLeader", { targetID: NO_MEMBER })],
  [
    "Downgrade, validate",
    (t) => t.call("/etcdserverpb.Maintenance/Downgrade", { action: 0, version: "9.9.9" }),
  ],
  ["AuthEnable", (t) => t.call("/etcdserverpb.Auth/AuthEnable", {})],
  ["AuthStatus", (t) => t.call("/etcdserverpb.Auth/AuthStatus", {})],
  [
    "Authenticate, wrong password",
    (t) => t.call("/etcdserverpb.Auth/Authenticate", { name: nextUser(), password: "wrong" }),
  ],
  [
    "Authenticate, unknown user",
    (t) =>
      t.call("/etcdserverpb.Auth/Authenticate", { name: `no ${nextUser()}`, password: "wrong" }),
  ],
  ["UserAdd, known", (t) => t.call("/etcdserverpb.Auth/UserAdd", { name: "idle", password: "x" })],
  ["UserGet, reader", (t) => t.call("/etcdserverpb.Auth/UserGet", { name: "reader" })],
  ["UserGet, unknown", (t) => t.call("/etcdserverpb.Auth/UserGet", { name: NO_NAME })],
  ["UserList", (t) => t.call("/etcdserverpb.Auth/UserList", {})],
  ["UserDelete, unknown", (t) => t.call("/etcdserverpb.Auth/UserDelete", { name: NO_NAME })],
  ["UserDelete, root", (t) => t.call("/etcdserverpb.Auth/UserDelete", { name: "root" })],
  [
    "UserChangePassword, unknown",
    (t) => t.call("/etcdserverpb.Auth/UserChangePassword", { name: NO_NAME, password: "x" }),
  ],
  [
    "UserGrantRole, unknown role",
    (t) => t.call("/etcdserverpb.Auth/UserGrantRole", { user: "idle", role: NO_NAME }),
  ],
  [
    "UserRevokeRole, not granted",
    (t) => t.call("/etcdserverpb.Auth/UserRevokeRole", { name: "idle", role: "r" }),
  ],
  [
    "UserRevokeRole, root's",
    (t) => t.call("/etcdserverpb.Auth/UserRevokeRole", { name: "root", role: "root" }),
  ],
  ["RoleAdd, known", (t) => t.call("/etcdserverpb.Auth/RoleAdd", { name: "r" })],
  ["RoleGet, reader's", (t) => t.call("/etcdserverpb.Auth/RoleGet", { role: "r" })],
  ["RoleGet, unknown", (t) => t.call("/etcdserverpb.Auth/RoleGet", { role: NO_NAME })],
  ["RoleList", (t) => t.call("/etcdserverpb.Auth/RoleList", {})],
  ["RoleDelete, unknown", (t) => t.call("/etcdserverpb.Auth/RoleDelete", { role: NO_NAME })],
  ["RoleDelete, root", (t) => t.call("/etcdserverpb.Auth/RoleDelete", { role: "root" })],
  [
    "RoleGrantPermission, none",
    (t) => t.call("/etcdserverpb.Auth/RoleGrantPermission", { name: "r" }),
  ],
  [
    "RoleGrantPermission, empty range",
    (t) =>
      t.call("/etcdserverpb.Auth/RoleGrantPermission", {
        name: "r",
        perm: { permType: READ, key: bytes("b"), rangeEnd: bytes("a") },
      }),
  ],
  [
    "RoleRevokePermission, not granted",
    (t) => t.call("/etcdserverpb.Auth/RoleRevokePermission", { role: "r", key: bytes("q") }),
  ],
  ["Health", (t) => t.call("/grpc.health.v1.Health/Check", {})],
];

function txnRows(): Row[] {
  const txn = (name: string, request: Parameters<typeof txnOp>[0]): Row => [
    `Txn ${name}`,
    (t) => t.call("/etcdserverpb.KV/Txn", request),
  ];
  const readZ = compare("z", { case: "version", value: 9 }, "=");
  const readA = compare("a", { case: "version", value: 0 }, ">");
  const nested = (operation: ReturnType<typeof putOp>) => txnOp({ success: [operation] });
  return [
    txn("put a", { success: [putOp("a")] }),
    txn("if a then put a", { compare: [readA], success: [putOp("a")] }),
    txn("if z then put a", { compare: [readZ], success: [putOp("a")] }),
    txn("if a then put a else put z", {
      compare: [readA],
      success: [putOp("a")],
      failure: [putOp("z")],
    }),
    txn("put a, previous", { success: [putOp("a", "", { prevKv: true })] }),
    txn("put a, outer lease", { success: [putOp("a", "", { lease: OUTER_LEASE })] }),
    txn("range a", { success: [rangeOp("a")] }),
    txn("range z", { success: [rangeOp("z")] }),
    txn("range z, serializable", { success: [rangeOp("z", { serializable: true })] }),
    txn("delete aa", { success: [deleteOp("aa")] }),
    txn("delete from zz", { success: [deleteOp("zz", { rangeEnd: FROM_KEY })] }),
    txn("nested put a", { success: [nested(putOp("a"))] }),
    txn("nested put z", { success: [nested(putOp("z", "", { lease: OUTER_LEASE }))] }),
    txn("nested range z", { success: [nested(rangeOp("z"))] }),
    txn("nested twice range z", { failure: [nested(nested(rangeOp("z")))] }),
    txn("inverted range", { success: [rangeOp("b", { rangeEnd: bytes("a") })] }),
    txn("empty", {}),
  ];
}

/** Runs all of it; a line per row, its cells in the order of the callers. */
export async function authMatrix(port: number, { callers, cast }: Scenario): Promise<string[]> {
  const client = await RpcClient.connect(port);
  try {
    const lines = [`authentication off | ${await readAll(client)}`];
    await prepare(client);
    const { metadataOf, root } = await cast(client);
    for (const [name, run] of ROWS) {
      await restoreLeases(client, root);
      const cells: string[] = [];
      for (const caller of callers) {
        if (name.startsWith("LeaseRevoke")) await restoreLeases(client, root);
        cells.push(await outcomeOf(() => run(new Attempt(client, metadataOf(caller)))));
      }
      lines.push(`${name} | ${cells.join(" | ")}`);
    }
    return lines;
  } finally {
    client.close();
  }
}

/** A token means nothing while authentication is off, not even a bad one. */
async function readAll(client: RpcClient): Promise<string> {
  const anything = { metadata: { token: "anything" } };
  return outcomeOf(() =>
    client.call(
      "/etcdserverpb.KV/Range",
      RangeRequest.create({ key: bytes("a"), rangeEnd: FROM_KEY }),
      anything,
    ),
  );
}

async function outcomeOf(run: () => Promise<unknown>): Promise<string> {
  try {
    const outcome = await run();
    return typeof outcome === "string" ? outcome : "ok";
  } catch (error) {
    if (error instanceof RpcError) return `${codeName(error.code)}: ${error.message}`;
    throw error;
  }
}

const ROLES = { reader: READ, writer: WRITE, owner: READWRITE } as const;
const ROLE_NAMES = { reader: "r", writer: "w", owner: "rw" } as const;

async function prepare(client: RpcClient): Promise<void> {
  for (const name of ["root", "idle", "reader", "writer", "owner", "changed", "deleted"]) {
    await client.call("/etcdserverpb.Auth/UserAdd", { name, password: PASSWORD });
  }
  await client.call("/etcdserverpb.Auth/UserGrantRole", { user: "root", role: "root" });
  for (const user of ["reader", "writer", "owner"] as const) {
    const role = ROLE_NAMES[user];
    await client.call("/etcdserverpb.Auth/RoleAdd", { name: role });
    await client.call("/etcdserverpb.Auth/RoleGrantPermission", {
      name: role,
      perm: { permType: ROLES[user], key: bytes("a"), rangeEnd: C },
    });
    await client.call("/etcdserverpb.Auth/UserGrantRole", { user, role });
  }
  for (const user of ["changed", "deleted"]) {
    await client.call("/etcdserverpb.Auth/UserGrantRole", { user, role: "rw" });
  }
  await client.put("a");
  await client.call("/etcdserverpb.Auth/AuthEnable", {});
}

export async function logIn(client: RpcClient, name: string): Promise<string> {
  const credentials = { name, password: PASSWORD };
  const { token } = await client.call("/etcdserverpb.Auth/Authenticate", credentials);
  return token;
}

/** Ends what the tokens of two users were good for, and answers those tokens. */
export async function endLogins(
  client: RpcClient,
): Promise<{ readonly changed: string; readonly deleted: string }> {
  const [changed, deleted] = [await logIn(client, "changed"), await logIn(client, "deleted")];
  const root = { metadata: { token: await logIn(client, "root") } };
  const request = { name: "changed", password: PASSWORD };
  await client.call("/etcdserverpb.Auth/UserChangePassword", request, root);
  await client.call("/etcdserverpb.Auth/UserDelete", { name: "deleted" }, root);
  return { changed, deleted };
}

/** The leases and their keys, whatever the call before has done to them. */
async function restoreLeases(client: RpcClient, root: Cast["root"]): Promise<void> {
  const metadata = await root();
  for (const [ID, key] of [
    [INNER_LEASE, "b"],
    [OUTER_LEASE, "z"],
    [BARE_LEASE, ""],
  ] as const) {
    await client
      .call("/etcdserverpb.Lease/LeaseRevoke", { ID }, { metadata })
      .catch(() => undefined);
    await client.call("/etcdserverpb.Lease/LeaseGrant", { ID, TTL: 1000 }, { metadata });
    if (key === "") continue;
    await client.call("/etcdserverpb.KV/Put", { key: bytes(key), lease: ID }, { metadata });
  }
}
