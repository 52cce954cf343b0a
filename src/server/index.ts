export { LoginLimiter } from "./access/login-limiter.ts";
export { alarmName } from "./apply/alarms.ts";
export { EtcdServer } from "./etcd-server.ts";
export { RaftField } from "./log/raft-request.ts";
export { MembershipChanges } from "./members/membership-changes.ts";
export { MemberRemovedError } from "./members/member-removed.ts";
export { TracedService } from "./tracing/traced-service.ts";
export {
  DEFAULT_QUOTA_BYTES,
  type Defer,
  requestTimeoutMs,
  type ServerDeps,
  type ServerOptions,
} from "./options.ts";
