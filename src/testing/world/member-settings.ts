/** What all members in simulated worlds have in common: etcd's defaults, and what suits a world. */
import type { ServerOptions } from "../../server/index.ts";

export function peerURL(name: string): string {
  return `http://${name}:2380`;
}

export function clientURL(name: string): string {
  return `http://${name}:2379`;
}

/** `cluster`: peer URLs by the names of all members. */
export function addresses(
  name: string,
  cluster: ReadonlyMap<string, string>,
): Pick<ServerOptions, "name" | "clientURLs" | "peerURLs" | "initialCluster"> {
  return {
    name,
    clientURLs: [clientURL(name)],
    peerURLs: [peerURL(name)],
    initialCluster: new Map([...cluster].map(([each, url]) => [each, [url]])),
  };
}

export const WORLD_SETTINGS = {
  dataDirectory: "/data",
  walDirectory: "",
  forceNewCluster: false,
  maxLearners: 1,
  preVote: true,
  initialElectionTickAdvance: true,
  maxWals: 2,
  maxSnapshots: 2,
  quotaBackendBytes: 0,
  maxTxnOps: 128,
  maxRequestBytes: 1_572_864,
  bootstrapDefragThresholdBytes: 0,
  compactionSleepIntervalMs: 10,
  warningApplyDurationMs: 100,
  warningUnaryRequestDurationMs: 300,
  unsafeNoFsync: false,
  initialCorruptCheck: false,
  downgradeCheckIntervalMs: 5000,
  stopServiceOnDefrag: false,
  tokens: { kind: "simple" },
  simpleTokenTTLMs: 300_000,
  bcryptCost: 4,
  clientCertAuth: false,
  servesV2: false,
  dropsV2Content: false,
} as const satisfies Partial<ServerOptions>;
