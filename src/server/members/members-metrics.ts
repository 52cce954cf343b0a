/** The metrics of the membership. */
import type { Counter, Gauge, Labelled, Metrics } from "../../env/index.ts";
import type { ServerContext } from "../context.ts";
import { labelled, plain } from "../../env/metric-table.ts";

export const MembersMetrics = {
  isLearner: plain("etcd_server_is_learner", "1 while this member is a learner, else 0."),
  learnerPromoteFailures: labelled(
    "etcd_server_learner_promote_failures",
    "Learner promotions refused by this member as leader.",
    "Reason",
  ),
  learnerPromoteSuccesses: plain(
    "etcd_server_learner_promote_successes",
    "Learners promoted by this member as leader.",
  ),
  knownPeers: labelled(
    "etcd_network_known_peers",
    "1 for each member, 0 for each that was removed.",
    "Local",
    "Remote",
  ),
} as const;

export interface MembersCounters {
  readonly learnerPromotions: Counter;
  /** Label: the reason in words. */
  readonly learnerPromoteFailures: Labelled<Counter>;
  /** Labels: this member, the other one; 0 for one that was removed. */
  readonly knownPeers: Labelled<Gauge>;
}

export function registerMembersMetrics(
  metrics: Metrics,
  { cluster }: Pick<ServerContext, "cluster">,
): MembersCounters {
  const { isLearner, learnerPromoteSuccesses, learnerPromoteFailures, knownPeers } = MembersMetrics;
  metrics.gaugeFunction(isLearner, () => (cluster.local?.isLearner === true ? 1 : 0));
  return {
    learnerPromotions: metrics.counter(learnerPromoteSuccesses),
    learnerPromoteFailures: metrics.counters(learnerPromoteFailures, learnerPromoteFailures.labels),
    knownPeers: metrics.gauges(knownPeers, knownPeers.labels),
  };
}
