/**
 * Metrics in Prometheus' text exposition format 0.0.4, byte for byte as Go's client library writes
 * it: families by name, series by label values, labels by name, Go's notation of floats.
 *
 * Recording is an addition to a field: no clock, no lock, no allocation. Families without a series
 * are not shown. Names and labels come from code, never from input; label values are escaped.
 */

import { assert } from "../base/assert.ts";
import type {
  Counter,
  Gauge,
  Histogram,
  HistogramOptions,
  Labelled,
  MetricOptions,
  Metrics,
} from "../env/metrics.ts";

type FamilyType = "counter" | "gauge" | "histogram";

/** A series that can write its lines. `labels` is `a="x",b="y"` or "". */
interface Series {
  write(name: string, labels: string, out: string[]): void;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: FamilyType;
  readonly children: LabelledFamily<Series>;
}

/** Media type of `MetricsRegistry.render`. */
export const METRICS_CONTENT_TYPE =
  "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

export class MetricsRegistry implements Metrics {
  readonly contentType: string = METRICS_CONTENT_TYPE;
  readonly #families = new Map<string, Family>();
  readonly #collectors: (() => void)[] = [];

  counter(options: MetricOptions): Counter {
    return this.#family(options, "counter", [], () => new CounterSeries()).of();
  }

  counters(options: MetricOptions, labelNames: readonly string[]): Labelled<Counter> {
    return this.#family(options, "counter", labelNames, () => new CounterSeries());
  }

  gauge(options: MetricOptions): Gauge {
    return this.#family(options, "gauge", [], () => new GaugeSeries()).of();
  }

  gauges(options: MetricOptions, labelNames: readonly string[]): Labelled<Gauge> {
    return this.#family(options, "gauge", labelNames, () => new GaugeSeries());
  }

  gaugeFunction(options: MetricOptions, read: () => number): void {
    this.#family(options, "gauge", [], () => new FunctionSeries()).of().read = read;
  }

  counterFunction(options: MetricOptions, read: () => number): void {
    this.#family(options, "counter", [], () => new FunctionSeries()).of().read = read;
  }

  histogram(options: HistogramOptions): Histogram {
    return this.#family(options, "histogram", [], () => new HistogramSeries(options.buckets)).of();
  }

  histograms(options: HistogramOptions, labelNames: readonly string[]): Labelled<Histogram> {
    assert(!labelNames.includes("le"), `metric ${options.name} must not have a label "le"`);
    return this.#family(
      options,
      "histogram",
      labelNames,
      () => new HistogramSeries(options.buckets),
    );
  }

  /** `collect` runs before each `render`, to refresh values that are read together. */
  beforeRender(collect: () => void): void {
    this.#collectors.push(collect);
  }

  /** All families in the text exposition format. */
  render(): string {
    for (const collect of this.#collectors) collect();
    const out: string[] = [];
    for (const name of [...this.#families.keys()].sort()) {
      const family = this.#families.get(name) as Family;
      if (family.children.isEmpty) continue;
      if (family.help !== "") out.push(`# HELP ${name} ${escapeHelp(family.help)}\n`);
      out.push(`# TYPE ${name} ${family.type}\n`);
      family.children.write(name, out);
    }
    return out.join("");
  }

  #family<S extends Series>(
    options: MetricOptions,
    type: FamilyType,
    labelNames: readonly string[],
    make: () => S,
  ): LabelledFamily<S> {
    const { name, help } = options;
    const known = this.#families.get(name);
    if (known !== undefined) {
      assert(known.type === type, `metric ${name} is a ${known.type}, not a ${type}`);
      assert(known.children.hasLabels(labelNames), `metric ${name} has other labels`);
      return known.children as LabelledFamily<S>;
    }
    assert(METRIC_NAME.test(name), `bad metric name ${name}`);
    for (const label of labelNames) assert(LABEL_NAME.test(label), `bad label name ${label}`);
    const children = new LabelledFamily(labelNames, make);
    this.#families.set(name, { name, help, type, children });
    return children;
  }
}

class CounterSeries implements Counter, Series {
  value = 0;

  add(by = 1): void {
    assert(by >= 0, "a counter only grows");
    this.value += by;
  }

  write(name: string, labels: string, out: string[]): void {
    writeSample(name, labels, this.value, out);
  }
}

class GaugeSeries implements Gauge, Series {
  value = 0;

  set(value: number): void {
    this.value = value;
  }

  add(by: number): void {
    this.value += by;
  }

  write(name: string, labels: string, out: string[]): void {
    writeSample(name, labels, this.value, out);
  }
}

class FunctionSeries implements Series {
  read: () => number = () => 0;

  write(name: string, labels: string, out: string[]): void {
    writeSample(name, labels, this.read(), out);
  }
}

class HistogramSeries implements Histogram, Series {
  readonly #bounds: Float64Array;
  /** Observations per bucket, not cumulated; the last one counts those above every bound. */
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    for (let i = 1; i < bounds.length; i++) {
      assert((bounds[i] as number) > (bounds[i - 1] as number), "buckets must ascend");
    }
    this.#bounds = Float64Array.from(bounds);
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    const length = bounds.length;
    let bucket = 0;
    while (bucket < length && !(value <= (bounds[bucket] as number))) bucket++;
    (this.#counts[bucket] as number)++;
    this.#sum += value;
  }

  write(name: string, labels: string, out: string[]): void {
    const prefix = labels === "" ? "" : `${labels},`;
    let count = 0;
    for (let i = 0; i < this.#counts.length; i++) {
      count += this.#counts[i] as number;
      const bound = i < this.#bounds.length ? formatGoFloat(this.#bounds[i] as number) : "+Inf";
      out.push(`${name}_bucket{${prefix}le="${bound}"} ${formatGoFloat(count)}\n`);
    }
    writeSample(`${name}_sum`, labels, this.#sum, out);
    writeSample(`${name}_count`, labels, count, out);
  }
}

/** Cannot occur in a well-formed label value, so that joined values stay distinct. */
const SEPARATOR = "\ud800";

class LabelledFamily<S extends Series> implements Labelled<S> {
  readonly #labelNames: readonly string[];
  readonly #make: () => S;
  readonly #children = new Map<
    string,
    { readonly values: readonly string[]; readonly series: S }
  >();

  constructor(labelNames: readonly string[], make: () => S) {
    this.#labelNames = labelNames;
    this.#make = make;
  }

  get isEmpty(): boolean {
    return this.#children.size === 0;
  }

  of(...labelValues: string[]): S {
    const key = labelValues.length === 1 ? (labelValues[0] as string) : labelValues.join(SEPARATOR);
    const known = this.#children.get(key);
    if (known !== undefined) return known.series;
    assert(labelValues.length === this.#labelNames.length, "one value for each label");
    const series = this.#make();
    this.#children.set(key, { values: labelValues, series });
    return series;
  }

  hasLabels(labelNames: readonly string[]): boolean {
    return (
      labelNames.length === this.#labelNames.length &&
      labelNames.every((name, i) => name === this.#labelNames[i])
    );
  }

  /** Writes the series in the order of their label values, each with its labels by name. */
  write(name: string, out: string[]): void {
    const names = this.#labelNames;
    const order = names.map((_, i) => i).sort((a, b) => compareText(names[a], names[b]));
    const rows = [...this.#children.values()];
    rows.sort((a, b) => {
      for (const i of order) {
        const difference = compareText(a.values[i], b.values[i]);
        if (difference !== 0) return difference;
      }
      return 0;
    });
    for (const row of rows) {
      const labels = order.map((i) => `${names[i]}="${escapeLabel(row.values[i] as string)}"`);
      row.series.write(name, labels.join(","), out);
    }
  }
}

function compareText(a = "", b = ""): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function writeSample(name: string, labels: string, value: number, out: string[]): void {
  const series = labels === "" ? name : `${name}{${labels}}`;
  out.push(`${series} ${formatGoFloat(value)}\n`);
}

/** A float as Go's `strconv.FormatFloat(x, 'g', -1, 64)` writes it: `1e+06`, `0.001`, `+Inf`. */
export function formatGoFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const magnitude = Math.abs(value);
  if (magnitude >= 1e-4 && magnitude < 1e6) return String(value);
  const [mantissa = "", exponent = ""] = value.toExponential().split("e");
  const digits = exponent.slice(1);
  return `${mantissa}e${exponent[0]}${digits.length < 2 ? `0${digits}` : digits}`;
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
