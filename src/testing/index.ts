/** The public API of `etcd-ts/testing`: etcd inside a test. */
export type { Duration } from "./duration.ts";
export { Etcd, type MemoryOptions } from "./etcd.ts";
export type { Failure, RecordedRequest } from "./ledger.ts";
export type { Change } from "./looks.ts";
export type { MemberSettings } from "./member-options.ts";
export type { TestClock } from "./test-clock.ts";
