/**
 * One row per RPC: what the transport, the gateway and the permission check need to know of it.
 * The rows are tied to the services in proto/: a method without a row does not compile, and its
 * message types come from there.
 */

import { RPC_DEFINITIONS, type RpcPath } from "./gen/services.ts";
import type { MessageType } from "./message-type.ts";

/**
 * Who may call a method once authentication is enabled:
 * - open: anybody.
 * - anyUser: whoever is logged in.
 * - admin: users with the root role.
 * - range, put, deleteRange, txn: permissions on the keys of the request, inner operations included.
 * - watch: permissions on the keys of each create request; refusals travel in watch responses.
 * - leaseWrite: logged in, and write permission on all keys attached to the lease.
 * - leaseRead: logged in, and read permission on the attached keys when keys are asked for.
 * - leaseReadAll: logged in, and read permission on the attached keys of every lease.
 * - alarm: anyUser to list alarms, admin to change them.
 * - userSelf: admin, or the user asked about.
 * - roleOwn: admin, or a user who has the role.
 * - delegated: by the key-value and lease operations carried out on the caller's behalf.
 */
export type AuthRule =
  | "open"
  | "anyUser"
  | "admin"
  | "range"
  | "put"
  | "deleteRange"
  | "txn"
  | "watch"
  | "leaseWrite"
  | "leaseRead"
  | "leaseReadAll"
  | "alarm"
  | "userSelf"
  | "roleOwn"
  | "delegated";

export type RpcKind = "unary" | "serverStream" | "clientStream" | "bidi";

export interface MethodInfo {
  /** Position in `METHODS`. */
  readonly index: number;
  readonly path: RpcPath;
  readonly service: string;
  readonly name: string;
  readonly kind: RpcKind;
  readonly request: MessageType<unknown>;
  readonly response: MessageType<unknown>;
  /** Paths of the JSON gateway, all for POST; empty if there is no JSON mapping. */
  readonly gatewayPaths: readonly string[];
  readonly auth: AuthRule;
  /** First etcd release with the method. */
  readonly since: string;
}

interface Row {
  readonly auth: AuthRule;
  readonly gateway: readonly string[];
  readonly since: string;
}

function row(auth: AuthRule, gateway: string | readonly string[] = [], since = "3.0"): Row {
  return { auth, gateway: typeof gateway === "string" ? [gateway] : gateway, since };
}

const ROWS: { readonly [Path in RpcPath]: Row } = {
  "/etcdserverpb.KV/Range": row("range", "/v3/kv/range"),
  "/etcdserverpb.KV/Put": row("put", "/v3/kv/put"),
  "/etcdserverpb.KV/DeleteRange": row("deleteRange", "/v3/kv/deleterange"),
  "/etcdserverpb.KV/Txn": row("txn", "/v3/kv/txn"),
  "/etcdserverpb.KV/Compact": row("admin", "/v3/kv/compaction"),
  "/etcdserverpb.KV/RangeStream": row("range", [], "3.7"),
  "/etcdserverpb.Watch/Watch": row("watch", "/v3/watch"),
  "/etcdserverpb.Lease/LeaseGrant": row("anyUser", "/v3/lease/grant"),
  "/etcdserverpb.Lease/LeaseRevoke": row("leaseWrite", ["/v3/lease/revoke", "/v3/kv/lease/revoke"]),
  "/etcdserverpb.Lease/LeaseKeepAlive": row("leaseWrite", "/v3/lease/keepalive"),
  "/etcdserverpb.Lease/LeaseTimeToLive": row(
    "leaseRead",
    ["/v3/lease/timetolive", "/v3/kv/lease/timetolive"],
    "3.1",
  ),
  "/etcdserverpb.Lease/LeaseLeases": row(
    "leaseReadAll",
    ["/v3/lease/leases", "/v3/kv/lease/leases"],
    "3.3",
  ),
  "/etcdserverpb.Cluster/MemberAdd": row("admin", "/v3/cluster/member/add"),
  "/etcdserverpb.Cluster/MemberRemove": row("admin", "/v3/cluster/member/remove"),
  "/etcdserverpb.Cluster/MemberUpdate": row("admin", "/v3/cluster/member/update"),
  "/etcdserverpb.Cluster/MemberList": row("anyUser", "/v3/cluster/member/list"),
  "/etcdserverpb.Cluster/MemberPromote": row("admin", "/v3/cluster/member/promote", "3.4"),
  "/etcdserverpb.Maintenance/Alarm": row("alarm", "/v3/maintenance/alarm"),
  "/etcdserverpb.Maintenance/Status": row("anyUser", "/v3/maintenance/status"),
  "/etcdserverpb.Maintenance/Defragment": row("admin", "/v3/maintenance/defragment"),
  "/etcdserverpb.Maintenance/Hash": row("admin", "/v3/maintenance/hash"),
  "/etcdserverpb.Maintenance/HashKV": row("admin", "/v3/maintenance/hashkv", "3.3"),
  "/etcdserverpb.Maintenance/Snapshot": row("admin", "/v3/maintenance/snapshot"),
  "/etcdserverpb.Maintenance/MoveLeader": row(
    "admin",
    "/v3/maintenance/transfer-leadership",
    "3.3",
  ),
  "/etcdserverpb.Maintenance/Downgrade": row("admin", "/v3/maintenance/downgrade", "3.5"),
  "/etcdserverpb.Auth/AuthEnable": row("admin", "/v3/auth/enable"),
  "/etcdserverpb.Auth/AuthDisable": row("admin", "/v3/auth/disable"),
  "/etcdserverpb.Auth/AuthStatus": row("admin", "/v3/auth/status", "3.5"),
  "/etcdserverpb.Auth/Authenticate": row("open", "/v3/auth/authenticate"),
  "/etcdserverpb.Auth/UserAdd": row("admin", "/v3/auth/user/add"),
  "/etcdserverpb.Auth/UserGet": row("userSelf", "/v3/auth/user/get"),
  "/etcdserverpb.Auth/UserList": row("admin", "/v3/auth/user/list"),
  "/etcdserverpb.Auth/UserDelete": row("admin", "/v3/auth/user/delete"),
  "/etcdserverpb.Auth/UserChangePassword": row("admin", "/v3/auth/user/changepw"),
  "/etcdserverpb.Auth/UserGrantRole": row("admin", "/v3/auth/user/grant"),
  "/etcdserverpb.Auth/UserRevokeRole": row("admin", "/v3/auth/user/revoke"),
  "/etcdserverpb.Auth/RoleAdd": row("admin", "/v3/auth/role/add"),
  "/etcdserverpb.Auth/RoleGet": row("roleOwn", "/v3/auth/role/get"),
  "/etcdserverpb.Auth/RoleList": row("admin", "/v3/auth/role/list"),
  "/etcdserverpb.Auth/RoleDelete": row("admin", "/v3/auth/role/delete"),
  "/etcdserverpb.Auth/RoleGrantPermission": row("admin", "/v3/auth/role/grant"),
  "/etcdserverpb.Auth/RoleRevokePermission": row("admin", "/v3/auth/role/revoke"),
  "/v3lockpb.Lock/Lock": row("delegated", "/v3/lock/lock", "3.2"),
  "/v3lockpb.Lock/Unlock": row("delegated", "/v3/lock/unlock", "3.2"),
  "/v3electionpb.Election/Campaign": row("delegated", "/v3/election/campaign", "3.2"),
  "/v3electionpb.Election/Proclaim": row("delegated", "/v3/election/proclaim", "3.2"),
  "/v3electionpb.Election/Leader": row("delegated", "/v3/election/leader", "3.2"),
  "/v3electionpb.Election/Observe": row("delegated", "/v3/election/observe", "3.2"),
  "/v3electionpb.Election/Resign": row("delegated", "/v3/election/resign", "3.2"),
  "/grpc.health.v1.Health/Check": row("open"),
  "/grpc.health.v1.Health/List": row("open"),
  "/grpc.health.v1.Health/Watch": row("open"),
};

/** All methods; the position is the method's index. */
export const METHODS: readonly MethodInfo[] = (Object.keys(ROWS) as RpcPath[]).map(
  (path, index) => {
    const { service, name, kind, request, response } = RPC_DEFINITIONS[path];
    const { auth, gateway, since } = ROWS[path];
    const gatewayPaths = gateway;
    return { index, path, service, name, kind, request, response, gatewayPaths, auth, since };
  },
);

/** "Range", "Lock" ...; methods of the health service are "HealthCheck" and "HealthWatch". */
type MethodName<Path> = Path extends `/grpc.health.v1.Health/${infer Name}`
  ? `Health${Name}`
  : Path extends `/${string}/${infer Name}`
    ? Name
    : never;

function methodName(method: MethodInfo): string {
  return method.service === "grpc.health.v1.Health" ? `Health${method.name}` : method.name;
}

/** Index of a method by its short name: `METHOD.Range`, `METHOD.HealthCheck`. */
export const METHOD: Readonly<Record<MethodName<RpcPath>, number>> = Object.fromEntries(
  METHODS.map((method) => [methodName(method), method.index]),
) as Record<MethodName<RpcPath>, number>;
