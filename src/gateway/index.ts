export type { AlarmName, HealthSource } from "./endpoints/health.ts";
export type { MetricsSource } from "./endpoints/metrics.ts";
export {
  type ClientHttpHandler,
  createHttpHandler,
  createMetricsHandler,
  type HttpHandlerDeps,
  type MetricsHandlerDeps,
} from "./http-handler.ts";
