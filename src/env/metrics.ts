/** Metrics in Prometheus' model. Registration is idempotent by name. */

export interface Counter {
  /** `by` is at least 0; default 1. */
  add(by?: number): void;
}
export interface Gauge {
  set(value: number): void;
  add(by: number): void;
}
export interface Histogram {
  observe(value: number): void;
}
/** A family with labels; `of` returns the child of these label values, made once and kept. */
export interface Labelled<M> {
  of(...labelValues: string[]): M;
}

export interface MetricOptions {
  /** Full metric name, such as "etcd_server_has_leader". */
  readonly name: string;
  readonly help: string;
}
export interface HistogramOptions extends MetricOptions {
  /** Upper bounds, ascending, without +Inf. */
  readonly buckets: readonly number[];
}

export interface Metrics {
  counter(options: MetricOptions): Counter;
  counters(options: MetricOptions, labelNames: readonly string[]): Labelled<Counter>;
  gauge(options: MetricOptions): Gauge;
  gauges(options: MetricOptions, labelNames: readonly string[]): Labelled<Gauge>;
  /** A gauge (or counter) whose value is asked for at each scrape. */
  gaugeFunction(options: MetricOptions, read: () => number): void;
  counterFunction(options: MetricOptions, read: () => number): void;
  histogram(options: HistogramOptions): Histogram;
  histograms(options: HistogramOptions, labelNames: readonly string[]): Labelled<Histogram>;
}
