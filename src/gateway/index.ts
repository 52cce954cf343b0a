export type { AlarmName, HealthSource } from "./endpoints/health.ts";
export type { MetricsSource } from "./endpoints/metrics.ts";
export { Profiler } from "./endpoints/profiler.ts";
export {
  type ClientHttpHandler,
  createHttpHandler,
  createMetricsHandler,
  type HttpHandlerDeps,
  type MetricsHandlerDeps,
} from "./http-handler.ts";
export { type Headers, sendError, sendText } from "./http-text.ts";
export { sendStatus } from "./gateway-calls.ts";
export { encodeJson } from "./json-encode.ts";
export type { Mount, MountHandler } from "./mounts.ts";
export { staticSiteMounts } from "./static-site.ts";
