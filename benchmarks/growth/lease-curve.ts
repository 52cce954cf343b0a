/** Number of leases. */
import { costOf, heldMegabytes, onMember, SECONDS } from "./costs.ts";
import type { Curve } from "./curves.ts";

export const LEASES: Curve = {
  name: "leases",
  title: "More leases",
  axis: "leases of an hour, without keys",
  sizes: [100, 1000, 10_000, 100_000, 300_000],
  panels: [
    { metric: "grant", title: "The grant of one more", unit: "µs of processor time" },
    { metric: "keepAlive", title: "A keep-alive", unit: "µs of processor time" },
    { metric: "memory", title: "Memory (anonymous pages)", unit: "MB" },
  ],
  measure: (subject, leases) =>
    onMember(subject, async (member) => {
      const grants = (requests: number) =>
        costOf(member, {
          kind: "closedLoop",
          ports: [member.port],
          connections: 50,
          streams: 10,
          request: { kind: "grant" },
          firstKey: 0,
          keyCount: 1,
          keyOrder: "same",
          warmUpSeconds: 0,
          limit: { requests },
        });
      await grants(leases);
      const memory = heldMegabytes(member);
      const grant = await grants(GRANTS);
      const load = { kind: "keepAlive", port: member.port, connections: 50, streams: 10 } as const;
      const keepAlive = await costOf(member, { ...load, seconds: SECONDS });
      return { grant: grant.micros, keepAlive: keepAlive.micros, memory };
    }),
};

/** Those that are measured; they come on top. */
const GRANTS = 20_000;
