export * from "./cluster.ts";
export * from "./ids.ts";
export * from "./member.ts";
export * from "./v2-document.ts";
