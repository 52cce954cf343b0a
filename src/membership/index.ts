export * from "./cluster.ts";
export * from "./conf-change-rules.ts";
export * from "./ids.ts";
export * from "./initial-cluster.ts";
export * from "./member.ts";
export * from "./v2-document.ts";
export * from "./v2-request.ts";
