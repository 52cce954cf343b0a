export * from "./auth-store.ts";
export * from "./identity.ts";
export * from "./jwt-tokens.ts";
export * from "./key-ranges.ts";
export { NoTokens } from "./no-tokens.ts";
export * from "./request-permissions.ts";
export * from "./simple-tokens.ts";
export * from "./tokens.ts";
export * from "./token-options.ts";
