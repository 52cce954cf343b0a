/** The unary methods of etcd's API by the names of npm `etcd3`. */
import { AUTH_METHODS } from "../client/auth-methods.ts";
import { METHODS, type RpcMethod } from "../client/index.ts";

export type ServiceName = "KV" | "Lease" | "Cluster" | "Maintenance" | "Auth" | "Watch";

// biome-ignore lint/suspicious/noExplicitAny: each row has messages of its own.
type AnyMethod = RpcMethod<any, any>;
type Rows = Readonly<Record<string, AnyMethod>>;

const { range, put, deleteRange, txn, compact } = METHODS;
const { leaseGrant, leaseRevoke, leaseTimeToLive, leaseLeases } = METHODS;
const { memberAdd, memberRemove, memberUpdate, memberList, memberPromote } = METHODS;
const { alarm, status, defragment, hash, hashKV, moveLeader, downgrade } = METHODS;
const { enable, disable, status: authStatus, ...users } = AUTH_METHODS;

export const METHODS_OF: Readonly<Record<ServiceName, Rows>> = {
  KV: { range, put, deleteRange, txn, compact },
  Watch: {},
  Lease: { leaseGrant, leaseRevoke, leaseTimeToLive, leaseLeases },
  Cluster: { memberAdd, memberRemove, memberUpdate, memberList, memberPromote },
  Maintenance: { alarm, status, defragment, hash, hashKV, moveLeader, downgrade },
  Auth: {
    ...users,
    authEnable: enable,
    authDisable: disable,
    authStatus,
    authenticate: METHODS.authenticate,
  },
};
