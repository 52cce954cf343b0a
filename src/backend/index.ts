export { type BoltBackend, openBackend } from "./backend.ts";
export { type CheckOptions, type CheckReport, checkBolt } from "./bolt/check.ts";
export * from "./errors.ts";
export * from "./log-meta.ts";
export { registerBackendSizes } from "./metrics.ts";
export type { BackendDeps, BackendOptions } from "./options.ts";
export { installAtStart } from "./replacement.ts";
export * from "./types.ts";
