import assert from "node:assert/strict";
import { test } from "node:test";
import { formatGoFloat, MetricsRegistry } from "./metrics.ts";
import { registerProcessMetrics } from "./metrics-process.ts";

test("floats are written as Go's shortest %g", () => {
  const table: [number, string][] = [
    [0, "0"],
    [1, "1"],
    [-1, "-1"],
    [0.1, "0.1"],
    [100000, "100000"],
    [123456.789, "123456.789"],
    [1e6, "1e+06"],
    [1234567, "1.234567e+06"],
    [2147483648, "2.147483648e+09"],
    [1e21, "1e+21"],
    [0.0001, "0.0001"],
    [0.00012345, "0.00012345"],
    [0.00001, "1e-05"],
    [6.271999999999999e-6, "6.271999999999999e-06"],
    [5e-324, "5e-324"],
    [1.79e308, "1.79e+308"],
    [Number.POSITIVE_INFINITY, "+Inf"],
    [Number.NEGATIVE_INFINITY, "-Inf"],
    [Number.NaN, "NaN"],
  ];
  for (const [value, text] of table) assert.equal(formatGoFloat(value), text);
});

test("families are sorted by name, series by label values, labels by name", () => {
  const registry = new MetricsRegistry();
  registry.gauge({ name: "z_gauge", help: "Last." }).set(-2.5);
  const handled = registry.counters({ name: "a_total", help: "First." }, ["type", "code"]);
  handled.of("unary", "OK").add(3);
  handled.of("stream", "OK").add();
  handled.of("unary", "Canceled").add(0);
  registry.gaugeFunction({ name: "m_asked", help: "Asked." }, () => 7);
  registry.counterFunction({ name: "n_asked_total", help: "" }, () => 8);
  registry.counters({ name: "b_without_series_total", help: "Hidden." }, ["x"]);
  assert.equal(
    registry.render(),
    `# HELP a_total First.
# TYPE a_total counter
a_total{code="Canceled",type="unary"} 0
a_total{code="OK",type="stream"} 1
a_total{code="OK",type="unary"} 3
# HELP m_asked Asked.
# TYPE m_asked gauge
m_asked 7
# TYPE n_asked_total counter
n_asked_total 8
# HELP z_gauge Last.
# TYPE z_gauge gauge
z_gauge -2.5
`,
  );
});

test("a histogram shows cumulated buckets, sum and count", () => {
  const registry = new MetricsRegistry();
  const options = { name: "t_seconds", help: "Time.", buckets: [0.001, 0.5, 2e6] };
  const plain = registry.histogram(options);
  for (const value of [0.001, 0.25, 0.25, 1, 3e6]) plain.observe(value);
  const labelled = registry.histograms({ ...options, name: "u_seconds" }, ["op"]);
  labelled.of("put").observe(0.75);
  assert.equal(
    registry.render(),
    `# HELP t_seconds Time.
# TYPE t_seconds histogram
t_seconds_bucket{le="0.001"} 1
t_seconds_bucket{le="0.5"} 3
t_seconds_bucket{le="2e+06"} 4
t_seconds_bucket{le="+Inf"} 5
t_seconds_sum 3.000001501e+06
t_seconds_count 5
# HELP u_seconds Time.
# TYPE u_seconds histogram
u_seconds_bucket{op="put",le="0.001"} 0
u_seconds_bucket{op="put",le="0.5"} 0
u_seconds_bucket{op="put",le="2e+06"} 1
u_seconds_bucket{op="put",le="+Inf"} 1
u_seconds_sum{op="put"} 0.75
u_seconds_count{op="put"} 1
`,
  );
});

test("help and label values are escaped", () => {
  const registry = new MetricsRegistry();
  registry.gauges({ name: "g", help: 'a\\b\n"c"' }, ["l"]).of('x\\y\n"z"').set(1);
  assert.equal(
    registry.render(),
    '# HELP g a\\\\b\\n"c"\n# TYPE g gauge\ng{l="x\\\\y\\n\\"z\\""} 1\n',
  );
});

test("registering a name again gives the same series; another type or label set is refused", () => {
  const registry = new MetricsRegistry();
  registry.counter({ name: "c_total", help: "" }).add(1);
  registry.counter({ name: "c_total", help: "" }).add(1);
  assert.match(registry.render(), /^c_total 2$/m);
  assert.throws(() => registry.gauge({ name: "c_total", help: "" }), /is a counter, not a gauge/);
  assert.throws(() => registry.counters({ name: "c_total", help: "" }, ["x"]), /other labels/);
  assert.throws(() => registry.counter({ name: "bad-name", help: "" }), /bad metric name/);
  const labelled = registry.counters({ name: "d_total", help: "" }, ["a", "b"]);
  assert.throws(() => labelled.of("one"), /one value for each label/);
  assert.throws(() => registry.counter({ name: "c_total", help: "" }).add(-1), /only grows/);
});

test("label values that look alike when joined stay apart", () => {
  const registry = new MetricsRegistry();
  const family = registry.counters({ name: "c_total", help: "" }, ["a", "b"]);
  family.of("x,", "y").add(1);
  family.of("x", ",y").add(2);
  assert.equal(registry.render().split("\n").length, 4);
});

test("the process families carry plausible values", () => {
  const registry = new MetricsRegistry();
  const observation = registerProcessMetrics(registry);
  const value = (name: string): number => {
    const line = registry.render().match(new RegExp(`^${name} (\\S+)$`, "m"));
    assert.ok(line, `${name} is missing`);
    return Number(line[1]);
  };
  assert.ok(value("process_resident_memory_bytes") > 1e6);
  assert.ok(value("process_cpu_seconds_total") > 0);
  assert.ok(Math.abs(value("process_start_time_seconds") - Date.now() / 1000) < 3600);
  assert.ok(value("nodejs_eventloop_lag_seconds") >= 0);
  if (process.platform === "linux") {
    assert.ok(value("process_network_receive_bytes_total") >= 0);
    assert.ok(value("process_network_transmit_bytes_total") >= 0);
    assert.ok(value("process_open_fds") > 2);
    assert.ok(value("process_max_fds") >= value("process_open_fds"));
    assert.ok(value("process_virtual_memory_bytes") > value("process_resident_memory_bytes"));
  }
  observation.stop();
});
