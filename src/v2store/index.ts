export { encodeDocument } from "./encode-document.ts";
export { V2_CODE, V2Error, type V2ErrorCode } from "./errors.ts";
export type { KeyStore } from "./key-store.ts";
export type { MemberNodes } from "./member-nodes.ts";
export * from "./membership-requests.ts";
export { KEYS_ROOT, PERMISSIONS_ROOT } from "./paths.ts";
export * from "./read-document.ts";
export type { Statistics } from "./statistics.ts";
export * from "./store.ts";
export { refuseUserData, refuseUserDocument, refuseUserRequest, V2DataError } from "./user-data.ts";
export {
  type Action,
  eventJSON,
  isCreation,
  type Listing,
  type NodeView,
  type StoreEvent,
} from "./views.ts";
export { cleanPath } from "./node.ts";
export { registerV2Metrics } from "./v2-metrics.ts";
export type { Watcher, WatchListener, WatchOptions } from "./watch-hub.ts";
