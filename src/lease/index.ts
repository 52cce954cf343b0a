export type { LeaseView } from "./lease.ts";
export type { LeaseTable } from "./lease-table.ts";
export * from "./lessor.ts";
