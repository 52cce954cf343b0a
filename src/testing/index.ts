/** The public API of `etcd-ts/testing`: etcd inside a test. */
export type { Duration } from "./duration.ts";
export { type ClusterOptions, Etcd, EtcdSnapshot, type MemoryOptions } from "./etcd.ts";
export { EtcdMember } from "./etcd-member.ts";
export type { Failure, RecordedRequest } from "./ledger.ts";
export type { Change } from "./looks.ts";
export type { MemberSettings } from "./member-options.ts";
export type { TestClock } from "./test-clock.ts";
