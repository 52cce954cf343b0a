/** The counters of go-grpc-prometheus and etcd's byte counters, one set of children per method. */
import type { Clock } from "../../env/clock.ts";
import type { Counter, Histogram, Labelled, Metrics } from "../../env/metrics.ts";
import type { MethodKind, MethodRow } from "./method-table.ts";
import { codeName } from "./status.ts";

const TYPE_LABELS: Readonly<Record<MethodKind, string>> = {
  unary: "unary",
  serverStream: "server_stream",
  clientStream: "client_stream",
  bidi: "bidi_stream",
};

interface MethodCounters {
  readonly labels: readonly [type: string, service: string, method: string];
  readonly started: Counter;
  readonly received: Counter;
  readonly sent: Counter;
  readonly handledOk: Counter;
  /** With `--metrics=extensive`. */
  readonly duration: Histogram | undefined;
}

/** Seconds, the default buckets of Prometheus' client for Go. */
const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface RpcMetricsOptions {
  readonly clock: Clock;
  /** Also measure how long calls take. */
  readonly extensive: boolean;
}

export class RpcMetrics {
  readonly #byMethod: MethodCounters[] = [];
  readonly #handled: Labelled<Counter>;
  readonly #receivedBytes: Counter;
  readonly #sentBytes: Counter;
  readonly #options: RpcMetricsOptions;

  constructor(metrics: Metrics, rows: readonly MethodRow[], options: RpcMetricsOptions) {
    this.#options = options;
    const labelNames = ["grpc_type", "grpc_service", "grpc_method"];
    const family = (name: string, help: string): Labelled<Counter> =>
      metrics.counters({ name, help }, labelNames);
    const started = family(
      "grpc_server_started_total",
      "Total number of RPCs started on the server.",
    );
    const received = family(
      "grpc_server_msg_received_total",
      "Total number of RPC stream messages received on the server.",
    );
    const sent = family(
      "grpc_server_msg_sent_total",
      "Total number of gRPC stream messages sent by the server.",
    );
    this.#handled = metrics.counters(
      {
        name: "grpc_server_handled_total",
        help: "Total number of RPCs completed on the server, regardless of success or failure.",
      },
      [...labelNames, "grpc_code"],
    );
    this.#receivedBytes = metrics.counter({
      name: "etcd_network_client_grpc_received_bytes_total",
      help: "The total number of bytes received from grpc clients.",
    });
    this.#sentBytes = metrics.counter({
      name: "etcd_network_client_grpc_sent_bytes_total",
      help: "The total number of bytes sent to grpc clients.",
    });
    const durations = options.extensive
      ? metrics.histograms(
          {
            name: "grpc_server_handling_seconds",
            help: "Histogram of response latency (seconds) of gRPC that had been application-level handled by the server.",
            buckets: DURATION_BUCKETS,
          },
          labelNames,
        )
      : undefined;
    for (const row of rows) {
      const slash = row.path.lastIndexOf("/");
      const labels = [
        TYPE_LABELS[row.kind],
        row.path.slice(1, slash),
        row.path.slice(slash + 1),
      ] as const;
      this.#byMethod[row.index] = {
        labels,
        started: started.of(...labels),
        received: received.of(...labels),
        sent: sent.of(...labels),
        handledOk: this.#handled.of(...labels, "OK"),
        duration: durations?.of(...labels),
      };
    }
  }

  started(method: number): void {
    this.#byMethod[method]?.started.add();
  }

  received(method: number, bytes: number): void {
    this.#byMethod[method]?.received.add();
    this.#receivedBytes.add(bytes);
  }

  sent(method: number, bytes: number): void {
    this.#byMethod[method]?.sent.add();
    this.#sentBytes.add(bytes);
  }

  /** To be given to `handled` when the call ends; 0 when durations are not measured. */
  startMs(): number {
    return this.#options.extensive ? this.#options.clock.nowMs() : 0;
  }

  handled(method: number, code: number, startMs: number): void {
    const counters = this.#byMethod[method];
    if (counters === undefined) return;
    counters.duration?.observe((this.#options.clock.nowMs() - startMs) / 1000);
    if (code === 0) counters.handledOk.add();
    else this.#handled.of(...counters.labels, codeName(code)).add();
  }
}
