/** Commands on leases, and what is built on them: lock and elect. */
import type { CommandSpec } from "../framework/command.ts";
import { bool, int } from "./flag-rows.ts";

export const LEASE_ROW: CommandSpec = {
  use: "lease <subcommand>",
  short: "Lease related commands",
  commands: [
    {
      use: "grant <ttl>",
      short: "Creates leases",
      load: async () => (await import("./commands/lease.ts")).leaseGrant,
    },
    {
      use: "revoke <leaseID>",
      short: "Revokes leases",
      load: async () => (await import("./commands/lease.ts")).leaseRevoke,
    },
    {
      use: "timetolive <leaseID> [options]",
      short: "Get lease information",
      flags: [bool("keys", "Get keys attached to this lease")],
      load: async () => (await import("./commands/lease.ts")).leaseTimeToLive,
    },
    {
      use: "list",
      short: "List all active leases",
      load: async () => (await import("./commands/lease.ts")).leaseList,
    },
    {
      use: "keep-alive [options] <leaseID>",
      short: "Keeps leases alive (renew)",
      flags: [
        bool(
          "once",
          "Resets the keep-alive time to its original value and cobrautl.Exits immediately",
        ),
      ],
      load: async () => (await import("./commands/lease.ts")).leaseKeepAlive,
    },
  ],
};

export const COORDINATION_ROWS: readonly CommandSpec[] = [
  {
    use: "lock <lockname> [exec-command arg1 arg2 ...]",
    short: "Acquires a named lock",
    flags: [int("ttl", "timeout for session", 10)],
    load: async () => (await import("./commands/lock.ts")).lock,
  },
  {
    use: "elect <election-name> [proposal]",
    short: "Observes and participates in leader election",
    flags: [{ ...bool("listen", "observation mode"), short: "l" }],
    load: async () => (await import("./commands/elect.ts")).elect,
  },
];
