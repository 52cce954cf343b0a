export { EtcdServer } from "./etcd-server.ts";
export { MemberRemovedError } from "./members/member-removed.ts";
export { alarmName } from "./metrics.ts";
export {
  type Defer,
  requestTimeoutMs,
  type ServerDeps,
  type ServerOptions,
} from "./options.ts";
