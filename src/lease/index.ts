export type { LeaseView } from "./lease.ts";
export * from "./lessor.ts";
