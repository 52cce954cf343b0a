/** Number of members, all on this machine. */
import type { RequestKind } from "../load/requests.ts";
import { ServerCluster } from "../server-cluster.ts";
import { costOf, fill, FILL_PUTS, heldMegabytes } from "./costs.ts";
import type { Curve } from "./curves.ts";

const KEYS = 10_000;
const SECONDS = 3;
const CONNECTIONS = 20;

export const MEMBERS: Curve = {
  name: "members",
  title: "More members",
  axis: "members, on one machine of two processors; costs are those of all together",
  sizes: [1, 3, 5, 7],
  panels: [
    { metric: "put", title: "A put, 20 × 10 over all", unit: "µs of processor time" },
    { metric: "get", title: "A linearizable get, 20 × 10 over all", unit: "µs of processor time" },
    {
      metric: "single",
      title: "One put after the other at one member",
      unit: "µs of processor time",
    },
    { metric: "memory", title: "Memory of all with 10,000 keys (anonymous pages)", unit: "MB" },
  ],
  async measure({ server, folder }, size) {
    const cluster = await ServerCluster.prepare(server, folder, size, []);
    try {
      await cluster.start();
      await fill(cluster.ports[0] ?? 0, KEYS, KEYS / FILL_PUTS);
      await cluster.settled();
      const memory = heldMegabytes(cluster);
      const cost = async (ports: readonly number[], request: RequestKind, isAlone: boolean) => {
        const { micros } = await costOf(cluster, {
          kind: "closedLoop",
          ports,
          connections: isAlone ? 1 : CONNECTIONS,
          streams: isAlone ? 1 : 10,
          request,
          firstKey: 0,
          keyCount: KEYS,
          keyOrder: "random",
          warmUpSeconds: 0,
          limit: { seconds: SECONDS },
        });
        return micros;
      };
      const PUT: RequestKind = { kind: "put", valueBytes: 256 };
      const GET: RequestKind = { kind: "get", isSerializable: false };
      const { leader } = await cluster.roles();
      await cost(cluster.ports, PUT, false);
      const put = await cost(cluster.ports, PUT, false);
      const single = await cost([leader.port], PUT, true);
      await cost(cluster.ports, GET, false);
      const get = await cost(cluster.ports, GET, false);
      return { put, get, single, memory };
    } finally {
      await cluster.stop();
      cluster.removeData();
    }
  },
};
