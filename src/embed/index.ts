/** Embedding: run a member inside a Node process. */
export {
  ConfigError,
  createConfig,
  type EtcdConfig,
  type EtcdConfigInput,
} from "./config/index.ts";
export { MemberRemovedError } from "../server/index.ts";
export { type RunningEtcd, type StartOptions, startEtcd } from "./start-etcd.ts";
