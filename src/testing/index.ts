/** The public API of `etcd-ts/testing`: etcd inside a test. */
export type { Duration } from "./duration.ts";
export {
  type ClusterOptions,
  Etcd,
  type EtcdSnapshot,
  type LocalClientOptions,
  type MemoryOptions,
} from "./etcd.ts";
export type { EtcdMember } from "./etcd-member.ts";
export type { Failure, RecordedRequest } from "./ledger.ts";
export type { Change } from "./looks.ts";
export type { MemberSettings } from "./member-options.ts";
export {
  type SimulatedFault,
  type SimulatedProcess,
  type SimulatedWorld,
  type SimulateOptions,
  SimulationError,
  simulate,
} from "./simulate.ts";
export type { TestClock } from "./test-clock.ts";
