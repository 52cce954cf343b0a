/** The configuration of a member: settings, their sources, rules and texts. */
export {
  ConfigError,
  createConfig,
  type EtcdConfig,
  type EtcdConfigInput,
  hasDefault,
  type LogRecord,
} from "./config.ts";
export { type FeatureGates, GATE_NAMES, type GateName, gateSpec } from "./feature-gates.ts";
export type { VersionFacts } from "./help.ts";
export { type ParseDeps, type ParseOutcome, parseCommandLine } from "./parse.ts";
export {
  type EtcdUrl,
  formatInitialCluster,
  parseEtcdUrl,
  parseInitialCluster,
} from "../../base/etcd-url.ts";
export {
  type AutoCompaction,
  autoCompactionOf,
  plainClientWarnings,
  plainPeerWarnings,
  startProblem,
} from "./verify.ts";
