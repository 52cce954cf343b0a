export * from "./fault-disk.ts";
export { CrashedDiskError, type FaultRule, type Operation } from "./fault-plan.ts";
export * from "./fixed-host-names.ts";
export * from "./memory-logger.ts";
export * from "./null-metrics.ts";
export * from "./plain-passwords.ts";
export * from "./seeded-random.ts";
export * from "./virtual-clock.ts";
export * from "./no-peers.ts";
