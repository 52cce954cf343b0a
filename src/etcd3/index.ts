/** The public API of `etcd-ts/etcd3`: the names of npm `etcd3` 1.1.2 over the client. */
export { type IPermissionRequest, type IPermissionResult, Role, User } from "./auth.ts";
export type { ServiceName } from "./call-table.ts";
export { Campaign } from "./campaign.ts";
export { ComparatorBuilder, comparator, compareTarget } from "./comparator-builder.ts";
export type { ICallable } from "./connection-pool.ts";
export { Election, ElectionObserver } from "./election.ts";
export * from "./errors.ts";
export { Etcd3 } from "./etcd3.ts";
export { type Rangable, Range } from "./keys.ts";
export { type ILeaseOptions, Lease, LeaseState } from "./lease.ts";
export { Lock } from "./lock.ts";
export type * from "./messages/auth.ts";
export type * from "./messages/cluster.ts";
export * from "./messages/enums.ts";
export type * from "./messages/kv.ts";
export type * from "./messages/lease.ts";
export { Namespace } from "./namespace.ts";
export type {
  CallOptionsFactory,
  ICallContext,
  ICallOptions,
  IOptions,
  IPolicy,
} from "./options.ts";
export {
  type IOperation,
  MultiRangeBuilder,
  RangeBuilder,
  SingleRangeBuilder,
} from "./range-builders.ts";
export {
  AuthClient,
  ClusterClient,
  KVClient,
  LeaseClient,
  MaintenanceClient,
  type ResponseStream,
} from "./rpc-clients.ts";
export { Isolation, type ISTMOptions, SoftwareTransaction } from "./stm.ts";
export { WatchBuilder, Watcher } from "./watch.ts";
export { DeleteBuilder, PutBuilder } from "./write-builders.ts";
