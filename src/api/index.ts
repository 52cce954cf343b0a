/** The API layer: codecs, methods, errors, versions. The codecs are imported from gen/ directly. */

export {
  ERRORS,
  EtcdError,
  type ErrorKind,
  formatStatus,
  isEtcdError,
  StatusCode,
  StatusError,
} from "./errors.ts";
export type { FieldInfo, FieldKind, MessageType, RpcDefinition } from "./message-type.ts";
export {
  type AuthRule,
  METHOD,
  METHODS,
  type MethodInfo,
  methodByPath,
  type RpcKind,
} from "./rpc-table.ts";
export { countTxnOperations } from "./txn-scan.ts";
export {
  compareVersions,
  formatVersion,
  majorMinor,
  MIN_CLUSTER_VERSION,
  parseVersion,
  type SemanticVersion,
  SERVER_VERSION,
} from "./version.ts";
