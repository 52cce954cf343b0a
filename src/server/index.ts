export { EtcdServer } from "./etcd-server.ts";
export { MemberRemovedError } from "./members/member-removed.ts";
export { alarmName } from "./metrics.ts";
export {
  DEFAULT_QUOTA_BYTES,
  type Defer,
  requestTimeoutMs,
  type ServerDeps,
  type ServerOptions,
} from "./options.ts";
