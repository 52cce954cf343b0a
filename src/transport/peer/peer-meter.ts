/** The metrics of the peer network, and their series of one peer. */
import type { Counter, Gauge, Histogram, Labelled, Metrics } from "../../env/metrics.ts";
import { PeerMetrics } from "./peer-metrics.ts";

export interface NetworkMeter {
  readonly active: Labelled<Gauge>;
  readonly disconnected: Labelled<Counter>;
  readonly sentBytes: Labelled<Counter>;
  readonly sentFailures: Labelled<Counter>;
  readonly receivedBytes: Labelled<Counter>;
  readonly receivedFailures: Labelled<Counter>;
  readonly roundTrip: Labelled<Histogram>;
  readonly snapshotSend: TransferMeter;
  readonly snapshotReceive: TransferMeter;
}

/** Databases in one direction, by peer. */
export interface TransferMeter {
  readonly success: Labelled<Counter>;
  readonly failures: Labelled<Counter>;
  readonly inflights: Labelled<Gauge>;
  readonly seconds: Labelled<Histogram>;
}

export function networkMeter(metrics: Metrics): NetworkMeter {
  const m = PeerMetrics;
  return {
    active: metrics.gauges(m.activePeers, m.activePeers.labels),
    disconnected: metrics.counters(m.disconnectedPeers, m.disconnectedPeers.labels),
    sentBytes: metrics.counters(m.peerSentBytes, m.peerSentBytes.labels),
    sentFailures: metrics.counters(m.peerSentFailures, m.peerSentFailures.labels),
    receivedBytes: metrics.counters(m.peerReceivedBytes, m.peerReceivedBytes.labels),
    receivedFailures: metrics.counters(m.peerReceivedFailures, m.peerReceivedFailures.labels),
    roundTrip: metrics.histograms(m.peerRoundTripTime, m.peerRoundTripTime.labels),
    snapshotSend: {
      success: metrics.counters(m.snapshotSendSuccess, m.snapshotSendSuccess.labels),
      failures: metrics.counters(m.snapshotSendFailures, m.snapshotSendFailures.labels),
      inflights: metrics.gauges(m.snapshotSendInflights, m.snapshotSendInflights.labels),
      seconds: metrics.histograms(m.snapshotSendDuration, m.snapshotSendDuration.labels),
    },
    snapshotReceive: {
      success: metrics.counters(m.snapshotReceiveSuccess, m.snapshotReceiveSuccess.labels),
      failures: metrics.counters(m.snapshotReceiveFailures, m.snapshotReceiveFailures.labels),
      inflights: metrics.gauges(m.snapshotReceiveInflights, m.snapshotReceiveInflights.labels),
      seconds: metrics.histograms(m.snapshotReceiveDuration, m.snapshotReceiveDuration.labels),
    },
  };
}
