/** `Metrics` that measure nothing, for tests and for tools that serve no /metrics. */
import type { Counter, Gauge, Histogram, Labelled, Metrics } from "../metrics.ts";

const NOTHING: Counter & Gauge & Histogram = {
  add() {},
  set() {},
  observe() {},
};
const NO_FAMILY: Labelled<Counter & Gauge & Histogram> = { of: () => NOTHING };

export class NullMetrics implements Metrics {
  counter(): Counter {
    return NOTHING;
  }
  counters(): Labelled<Counter> {
    return NO_FAMILY;
  }
  gauge(): Gauge {
    return NOTHING;
  }
  gauges(): Labelled<Gauge> {
    return NO_FAMILY;
  }
  gaugeFunction(): void {}
  counterFunction(): void {}
  histogram(): Histogram {
    return NOTHING;
  }
  histograms(): Labelled<Histogram> {
    return NO_FAMILY;
  }
}
