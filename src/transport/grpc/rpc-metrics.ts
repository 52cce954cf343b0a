/** The counters of go-grpc-prometheus and etcd's byte counters, one set of children per method. */
import type { Counter, Labelled, Metrics } from "../../env/metrics.ts";
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
}

export class RpcMetrics {
  readonly #byMethod: MethodCounters[] = [];
  readonly #handled: Labelled<Counter>;
  readonly #receivedBytes: Counter;
  readonly #sentBytes: Counter;

  constructor(metrics: Metrics, rows: readonly MethodRow[]) {
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

  handled(method: number, code: number): void {
    const counters = this.#byMethod[method];
    if (counters === undefined) return;
    if (code === 0) counters.handledOk.add();
    else this.#handled.of(...counters.labels, codeName(code)).add();
  }
}
