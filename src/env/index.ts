export * from "./clock.ts";
export * from "./disk.ts";
export * from "./http.ts";
export * from "./logger.ts";
export * from "./metrics.ts";
export * from "./peers.ts";
export * from "./random.ts";
export * from "./rpc.ts";
