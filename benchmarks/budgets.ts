/** What a row must reach. The ratios belong to a version of Go etcd: later ones are much faster. */

export interface Budget {
  /** Ours to the other: at least for throughput, at most for the rest. */
  readonly ratio?: number;
  /** The same of p99; at most. */
  readonly p99?: number;
}

/** Against Debian's etcd. */
const BUDGETS_34: ReadonlyMap<string, Budget> = new Map([
  ["put-same-key", { ratio: 2.5 }],
  ["put-one-by-one", { ratio: 1 }],
  ["put-distinct-keys", { ratio: 2.5 }],
  ["get-linearizable", { ratio: 8 }],
  ["get-serializable", { ratio: 8 }],
  ["txn-compare-put", { ratio: 5 }],
  ["put-tls", { ratio: 2 }],
  ["put-auth", { ratio: 2.5 }],
  ["get-auth", { ratio: 8 }],
  ["get-tls", { ratio: 2 }],
  ["memory-after-puts", { ratio: 0.7 }],
  ["memory-after-reads", { ratio: 0.7 }],
  ["restart", { ratio: 0.4 }],
  ["cluster-put", { ratio: 2 }],
  ["cluster-put-one-by-one", { ratio: 1 }],
  ["cluster-put-one-by-one-follower", { ratio: 1 }],
  ["failover", { ratio: 1 }],
]);

/** Against etcd 3.5 and later; where there is none here, those against 3.4 do not hold either. */
const BUDGETS_36: ReadonlyMap<string, Budget> = new Map([
  ["put-same-key", { ratio: 3.5 }],
  ["put-distinct-keys", { ratio: 2.5 }],
  ["put-one-by-one", { ratio: 1.3, p99: 1 }],
  ["get-linearizable", { ratio: 5 }],
  ["get-serializable", { ratio: 5 }],
  ["get-one-by-one", { ratio: 3 }],
  ["range-1000-keys", { ratio: 4 }],
  ["txn-compare-put", { ratio: 4, p99: 0.7 }],
  ["watch-fan-out", { ratio: 3, p99: 0.8 }],
  ["lease-keep-alive", { ratio: 4 }],
  ["cluster-put-one-by-one", { ratio: 1.2, p99: 1.2 }],
  ["cluster-get-linearizable", { ratio: 4 }],
  ["light-put", { ratio: 1 }],
  ["light-put-p99", { ratio: 1 }],
  ["light-put-p99.9", { ratio: 1 }],
  ["light-processor-time", { ratio: 1 }],
  ["light-neighbours-put", { ratio: 2 }],
  ["light-neighbours-put-p99", { ratio: 2 }],
  ["idle-memory", { ratio: 2 }],
  ["memory-after-puts", { ratio: 0.7 }],
  ["memory-after-reads", { ratio: 1 }],
  ["memory-after-restart", { ratio: 0.5 }],
  ["restart", { ratio: 0.6 }],
  ["restart-processor-time", { ratio: 0.6 }],
  ["large-values", { ratio: 1 }],
  ["pages-victim-p99", { ratio: 1 }],
  ["snapshot-save-victim-p99", { ratio: 1 }],
  ["failover", { ratio: 1 }],
  ["catch-up", { ratio: 1.2 }],
  ["catch-up-p99-meanwhile", { ratio: 1 }],
]);

/** Milliseconds that ours may take in a row, whatever the other takes. */
export const BUDGETS_MS: ReadonlyMap<string, number> = new Map([
  ["etcdctl-get-node24", 60],
  ["etcdctl-get-node20", 110],
  ["start-processor-time-empty", 250],
]);

/** Undefined for a row without one; `server` is the other's label, which for Go's is its version. */
export function budgetOf(row: string, server: string): Budget | undefined {
  if (!/^\d/.test(server)) return undefined;
  return (/^3\.[0-4]\./.test(server) ? BUDGETS_34 : BUDGETS_36).get(row);
}
