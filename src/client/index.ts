/** The public API of `etcd-ts/client`. */
export { StatusCode } from "../api/errors.ts";
export type { AlarmMember, Compare, Member, ResponseHeader } from "../api/gen/rpc.ts";
export type { ClusterID, LeaseID, MemberID, Revision } from "../base/ids.ts";
export type { Auth, PermissionName, UserAddCallOptions } from "./auth.ts";
export { prefixEnd, type RangeOptions } from "./bytes.ts";
export type { Cluster, MemberAddOptions, MemberListOptions } from "./cluster.ts";
export { compare } from "./compare.ts";
export { Election, electionLeader, observeElection } from "./concurrency/election.ts";
export { Mutex } from "./concurrency/mutex.ts";
export { Session, type SessionOptions } from "./concurrency/session.ts";
export { type Isolation, type StmOptions, type StmTxn, stm } from "./concurrency/stm.ts";
export { type ClientErrorKind, EtcdClientError, isErrorKind } from "./errors.ts";
export { EtcdClient } from "./etcd-client.ts";
export type { ClientEvent, ClientLogger } from "./events.ts";
export type { KeyValue } from "./key-value.ts";
export type { KV, PageOptions } from "./kv.ts";
export type { CompactOptions } from "./kv-calls.ts";
export type { LeaseKeepAlive } from "./lease/keep-alive.ts";
export type {
  KeepAliveOptions,
  Lease,
  LeaseGrantOptions,
  TimeToLiveOptions,
} from "./lease/lease.ts";
export type { Leasing, LeasingOptions } from "./leasing/leasing.ts";
export type { AlarmName, Maintenance } from "./maintenance.ts";
export { METHODS, type RpcMethod } from "./methods.ts";
export { type KeyClient, Namespace } from "./namespace/namespace.ts";
export { type DeleteOptions, type GetOptions, type Op, op, type PutOptions } from "./op.ts";
export type {
  Bytes,
  CallOptions,
  Credentials,
  EtcdClientOptions,
  Pem,
  TlsOptions,
} from "./options.ts";
export type {
  DeleteResponse,
  GetResponse,
  OpResponse,
  PutResponse,
  TxnResponse,
} from "./responses.ts";
export type { Snapshot } from "./snapshot.ts";
export type { Txn, TxnCommitOptions } from "./txn.ts";
export type { WatchEvent, WatchResponse } from "./watch/watch-response.ts";
export type { WatchOptions } from "./watch/watch-state.ts";
export type { Watcher } from "./watch/watcher.ts";
