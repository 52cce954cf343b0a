/** The metrics of calls: those of go-grpc-prometheus, and etcd's bytes. */
import { labelled, labelledHistogram, plain } from "../../env/metric-table.ts";

const GRPC_LABELS = ["grpc_type", "grpc_service", "grpc_method"];

/** `grpc_type` is "unary", "client_stream", "server_stream" or "bidi_stream". */
export const GrpcMetrics = {
  started: labelled(
    "grpc_server_started_total",
    "Total number of RPCs started on the server.",
    ...GRPC_LABELS,
  ),
  handled: labelled(
    "grpc_server_handled_total",
    "Total number of RPCs completed on the server, regardless of success or failure.",
    ...GRPC_LABELS,
    "grpc_code",
  ),
  messagesReceived: labelled(
    "grpc_server_msg_received_total",
    "Total number of RPC stream messages received on the server.",
    ...GRPC_LABELS,
  ),
  messagesSent: labelled(
    "grpc_server_msg_sent_total",
    "Total number of gRPC stream messages sent by the server.",
    ...GRPC_LABELS,
  ),
  /** Only with `--metrics=extensive`. */
  handlingDuration: labelledHistogram(
    "grpc_server_handling_seconds",
    "Histogram of response latency (seconds) of gRPC that had been application-level handled by the server.",
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    GRPC_LABELS,
  ),
  clientSentBytes: plain(
    "etcd_network_client_grpc_sent_bytes_total",
    "The total number of bytes sent to grpc clients.",
  ),
  clientReceivedBytes: plain(
    "etcd_network_client_grpc_received_bytes_total",
    "The total number of bytes received from grpc clients.",
  ),
} as const;
