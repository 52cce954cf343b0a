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
    "Peers that are connected.",
    "Local",
    "Remote",
  ),
  disconnectedPeers: labelled(
    "etcd_network_disconnected_peers_total",
    "Times that a peer was lost.",
    "Local",
    "Remote",
  ),
  peerSentBytes: labelled("etcd_network_peer_sent_bytes_total", "Bytes sent to a peer.", "To"),
  peerReceivedBytes: labelled(
    "etcd_network_peer_received_bytes_total",
    "Bytes received from a peer.",
    "From",
  ),
  peerSentFailures: labelled(
    "etcd_network_peer_sent_failures_total",
    "Failures to send to a peer.",
    "To",
  ),
  peerReceivedFailures: labelled(
    "etcd_network_peer_received_failures_total",
    "Failures to receive from a peer.",
    "From",
  ),
  peerRoundTripTime: labelledHistogram(
    "etcd_network_peer_round_trip_time_seconds",
    "Round trip time to a peer.",
    exponentialBuckets(0.0001, 2, 16),
    ["To"],
  ),
  snapshotSendSuccess: labelled(
    "etcd_network_snapshot_send_success",
    "Database snapshots sent.",
    "To",
  ),
  snapshotSendFailures: labelled(
    "etcd_network_snapshot_send_failures",
    "Database snapshots that could not be sent.",
    "To",
  ),
  snapshotSendInflights: labelled(
    "etcd_network_snapshot_send_inflights_total",
    "Database snapshots being sent.",
    "To",
  ),
  snapshotSendDuration: labelledHistogram(
    "etcd_network_snapshot_send_total_duration_seconds",
    "Time to send a database snapshot to a peer.",
    TRANSFER_SECONDS,
    ["To"],
  ),
  snapshotReceiveSuccess: labelled(
    "etcd_network_snapshot_receive_success",
    "Database snapshots received.",
    "From",
  ),
  snapshotReceiveFailures: labelled(
    "etcd_network_snapshot_receive_failures",
    "Database snapshots whose receipt failed.",
    "From",
  ),
  snapshotReceiveInflights: labelled(
    "etcd_network_snapshot_receive_inflights_total",
    "Database snapshots being received.",
    "From",
  ),
  snapshotReceiveDuration: labelledHistogram(
    "etcd_network_snapshot_receive_total_duration_seconds",
    "Time to receive a database snapshot from a peer.",
    TRANSFER_SECONDS,
    ["From"],
  ),
} as const;
