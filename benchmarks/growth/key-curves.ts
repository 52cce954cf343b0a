/** Number of keys, versions of each, and size of values. */
import type { LoadJob } from "../load/jobs.ts";
import type { RequestKind } from "../load/requests.ts";
import {
  costOf,
  FILL_PUTS,
  fill,
  heldMegabytes,
  onMember,
  SECONDS,
  WARM_UP_SECONDS,
} from "./costs.ts";
import type { Curve } from "./curves.ts";

const VALUE_BYTES = 256;
const VERSIONED_KEYS = 100;

const GET: RequestKind = { kind: "get", isSerializable: false };
const PUT: RequestKind = { kind: "put", valueBytes: VALUE_BYTES };

/** 50 connections of 10 streams each, over the first `keys` keys. */
function jobOn(port: number, request: RequestKind, keys: number, seconds: number): LoadJob {
  return {
    kind: "closedLoop",
    ports: [port],
    connections: 50,
    streams: 10,
    request,
    firstKey: 0,
    keyCount: keys,
    keyOrder: "random",
    warmUpSeconds: 0,
    limit: { seconds },
  };
}

async function getAndPut(
  member: Parameters<typeof costOf>[0] & { readonly port: number },
  keys: number,
): Promise<{ get: number; put: number }> {
  await costOf(member, jobOn(member.port, GET, keys, WARM_UP_SECONDS));
  const get = await costOf(member, jobOn(member.port, GET, keys, SECONDS));
  await costOf(member, jobOn(member.port, PUT, keys, WARM_UP_SECONDS));
  const put = await costOf(member, jobOn(member.port, PUT, keys, SECONDS));
  return { get: get.micros, put: put.micros };
}

const PANELS = [
  { metric: "get", title: "A linearizable get of a random key", unit: "µs of processor time" },
  { metric: "put", title: "A put of a random key", unit: "µs of processor time" },
  { metric: "memory", title: "Memory (anonymous pages)", unit: "MB" },
] as const;

export const KEYS: Curve = {
  name: "keys",
  title: "More keys",
  axis: "keys of 18 bytes with values of 256 bytes",
  sizes: [1000, 10_000, 100_000, 1_000_000, 3_000_000],
  panels: [
    ...PANELS,
    { metric: "start", title: "Start to the first answer", unit: "s of processor time" },
  ],
  measure: (subject, keys) =>
    onMember(subject, async (member) => {
      await fill(member.port, keys, keys / FILL_PUTS);
      const memory = heldMegabytes(member);
      await member.stop();
      await member.start();
      const start = member.usage().cpuSeconds;
      return { ...(await getAndPut(member, keys)), memory, start };
    }),
};

export const REVISIONS: Curve = {
  name: "revisions",
  title: "More revisions of each key",
  axis: `revisions of each of ${VERSIONED_KEYS} keys, none compacted`,
  sizes: [1, 10, 100, 1000, 10_000],
  panels: PANELS,
  measure: (subject, revisions) =>
    onMember(subject, async (member) => {
      await fill(member.port, VERSIONED_KEYS, (revisions * VERSIONED_KEYS) / FILL_PUTS);
      const memory = heldMegabytes(member);
      return { ...(await getAndPut(member, VERSIONED_KEYS)), memory };
    }),
};

export const VALUE_SIZE: Curve = {
  name: "value-size",
  title: "Larger values",
  axis: "bytes of a value; 4 clients, one request at a time each",
  sizes: [10, 100, 1000, 10_000, 100_000, 1_000_000],
  panels: [
    { metric: "get", title: "A linearizable get", unit: "µs of processor time" },
    { metric: "put", title: "A put", unit: "µs of processor time" },
  ],
  measure: (subject, valueBytes) =>
    onMember(subject, async (member) => {
      const jobOf = (operation: "put" | "get", seconds: number): LoadJob => ({
        kind: "largeValues",
        port: member.port,
        connections: 4,
        operation,
        valueBytes,
        keys: 32,
        seconds,
      });
      await costOf(member, jobOf("put", WARM_UP_SECONDS));
      const put = await costOf(member, jobOf("put", SECONDS));
      await costOf(member, jobOf("get", WARM_UP_SECONDS));
      const get = await costOf(member, jobOf("get", SECONDS));
      return { get: get.micros, put: put.micros };
    }),
};
