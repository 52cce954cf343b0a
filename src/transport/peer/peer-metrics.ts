/** The metrics of the peer network. */
import {
  exponentialBuckets,
  labelled,
  labelledHistogram,
  TRANSFER_SECONDS,
} from "../../env/metric-table.ts";

export const PeerMetrics = {
  activePeers: labelled(
    "etcd_network_active_peers",
    "The current number of active peer connections.",
    "Local",
    "Remote",
  ),
  disconnectedPeers: labelled(
    "etcd_network_disconnected_peers_total",
    "The total number of disconnected peers.",
    "Local",
    "Remote",
  ),
  peerSentBytes: labelled(
    "etcd_network_peer_sent_bytes_total",
    "The total number of bytes sent to peers.",
    "To",
  ),
  peerReceivedBytes: labelled(
    "etcd_network_peer_received_bytes_total",
    "The total number of bytes received from peers.",
    "From",
  ),
  peerSentFailures: labelled(
    "etcd_network_peer_sent_failures_total",
    "The total number of send failures from peers.",
    "To",
  ),
  peerReceivedFailures: labelled(
    "etcd_network_peer_received_failures_total",
    "The total number of receive failures from peers.",
    "From",
  ),
  peerRoundTripTime: labelledHistogram(
    "etcd_network_peer_round_trip_time_seconds",
    "Round-Trip-Time histogram between peers",
    exponentialBuckets(0.0001, 2, 16),
    ["To"],
  ),
  snapshotSendSuccess: labelled(
    "etcd_network_snapshot_send_success",
    "Total number of successful snapshot sends",
    "To",
  ),
  snapshotSendFailures: labelled(
    "etcd_network_snapshot_send_failures",
    "Total number of snapshot send failures",
    "To",
  ),
  snapshotSendInflights: labelled(
    "etcd_network_snapshot_send_inflights_total",
    "Total number of inflight snapshot sends",
    "To",
  ),
  snapshotSendDuration: labelledHistogram(
    "etcd_network_snapshot_send_total_duration_seconds",
    "Total latency distributions of v3 snapshot sends",
    TRANSFER_SECONDS,
    ["To"],
  ),
  snapshotReceiveSuccess: labelled(
    "etcd_network_snapshot_receive_success",
    "Total number of successful snapshot receives",
    "From",
  ),
  snapshotReceiveFailures: labelled(
    "etcd_network_snapshot_receive_failures",
    "Total number of snapshot receive failures",
    "From",
  ),
  snapshotReceiveInflights: labelled(
    "etcd_network_snapshot_receive_inflights_total",
    "Total number of inflight snapshot receives",
    "From",
  ),
  snapshotReceiveDuration: labelledHistogram(
    "etcd_network_snapshot_receive_total_duration_seconds",
    "Total latency distributions of v3 snapshot receives",
    TRANSFER_SECONDS,
    ["From"],
  ),
} as const;
