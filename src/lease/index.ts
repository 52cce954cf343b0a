export { type LeaseView, sortKeys } from "./lease.ts";
export type { LeaseTable } from "./lease-table.ts";
export * from "./lessor.ts";
