export * from "./apply.ts";
export { encodeDocument } from "./encode-document.ts";
export * from "./membership-requests.ts";
export * from "./read-document.ts";
export * from "./store.ts";
