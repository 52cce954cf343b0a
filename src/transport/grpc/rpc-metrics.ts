/** The counters of go-grpc-prometheus and etcd's byte counters, one set of children per method. */
import { codeName, StatusCode } from "../../api/errors.ts";
import type { Clock } from "../../env/clock.ts";
import type { Counter, Histogram, Labelled, Metrics } from "../../env/metrics.ts";
import { GrpcMetrics } from "./grpc-metrics.ts";
import type { MethodKind, MethodRow } from "./method-table.ts";

const TYPE_LABELS: Readonly<Record<MethodKind, string>> = {
  unary: "unary",
  serverStream: "server_stream",
  clientStream: "client_stream",
  bidi: "bidi_stream",
};

/** 0 to 16, as gRPC numbers them. */
const STATUS_CODES: readonly number[] = Object.values(StatusCode).sort((a, b) => a - b);

interface MethodCounters {
  readonly labels: readonly [type: string, service: string, method: string];
  readonly started: Counter;
  readonly received: Counter;
  readonly sent: Counter;
  /** By status code: all of them from the start, so that `rate()` sees the first error. */
  readonly handled: readonly Counter[];
  /** With `--metrics=extensive`. */
  readonly duration: Histogram | undefined;
}

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
    const started = metrics.counters(GrpcMetrics.started, GrpcMetrics.started.labels);
    const received = metrics.counters(
      GrpcMetrics.messagesReceived,
      GrpcMetrics.messagesReceived.labels,
    );
    const sent = metrics.counters(GrpcMetrics.messagesSent, GrpcMetrics.messagesSent.labels);
    this.#handled = metrics.counters(GrpcMetrics.handled, GrpcMetrics.handled.labels);
    this.#receivedBytes = metrics.counter(GrpcMetrics.clientReceivedBytes);
    this.#sentBytes = metrics.counter(GrpcMetrics.clientSentBytes);
    const durations = options.extensive
      ? metrics.histograms(GrpcMetrics.handlingDuration, GrpcMetrics.handlingDuration.labels)
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
        handled: STATUS_CODES.map((code) => this.#handled.of(...labels, codeName(code))),
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

  sent(method: number, bytes: number, messages = 1): void {
    this.#byMethod[method]?.sent.add(messages);
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
    const handled = counters.handled[code] ?? this.#handled.of(...counters.labels, codeName(code));
    handled.add();
  }
}
