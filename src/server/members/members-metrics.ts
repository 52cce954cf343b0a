/** The metrics of the membership. */
import type { Counter, Gauge, Labelled, Metrics } from "../../env/index.ts";
import type { ServerContext } from "../context.ts";
import { labelled, plain } from "../../env/metric-table.ts";

export const MembersMetrics = {
  isLearner: plain(
    "etcd_server_is_learner",
    "Whether or not this member is a learner. 1 if is, 0 otherwise.",
  ),
  learnerPromoteFailures: labelled(
    "etcd_server_learner_promote_failures",
    "The total number of failed learner promotions (likely learner not ready) while this member is leader.",
    "Reason",
  ),
  learnerPromoteSuccesses: plain(
    "etcd_server_learner_promote_successes",
    "The total number of successful learner promotions while this member is leader.",
  ),
  knownPeers: labelled(
    "etcd_network_known_peers",
    "The current number of known peers.",
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
