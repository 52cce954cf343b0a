/** The page of metrics, and the tables of the layers that it is collected from. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { exponentialBuckets } from "../src/env/metric-table.ts";
import { MetricsRegistry } from "../src/platform/metrics.ts";
import { definedFamilies, METRICS_PAGE, metricsPage, registeredFamilies } from "./metrics-page.ts";
import { findRepository } from "./tidy.ts";

const root = findRepository(dirname(fileURLToPath(import.meta.url)));

test("the page of metrics lists what a member registers, no more and no less", async () => {
  const page = readFileSync(join(root, METRICS_PAGE), "utf8");
  assert.equal(
    page,
    metricsPage(await registeredFamilies()),
    "run node dist/tools/metrics-page.js",
  );
});

test("etcd's definitions are registrable together and have its bucket bounds", () => {
  const registry = new MetricsRegistry();
  const names = new Set<string>();
  for (const { name, help, buckets, labels = [] } of definedFamilies()) {
    assert.ok(!names.has(name), `${name} is defined twice`);
    names.add(name);
    if (buckets === undefined) registry.gauges({ name, help }, labels).of(...labels);
    else registry.histograms({ name, help, buckets }, labels).of(...labels);
  }
  const text = registry.render();
  assert.match(text, /^etcd_disk_wal_fsync_duration_seconds_bucket\{le="8\.192"\} 0$/m);
  assert.match(text, /^etcd_debugging_lease_ttl_total_bucket\{le="8\.388608e\+06"\} 0$/m);
  assert.deepEqual(exponentialBuckets(0.5, 2, 4), [0.5, 1, 2, 4]);
});

test("the table of every layer is collected", () => {
  const names = new Set(definedFamilies().map(({ name }) => name));
  for (const path of sourceFiles()) {
    const text = readFileSync(path, "utf8");
    if (!text.includes('/metric-table.ts"')) continue;
    const defined = [...text.matchAll(/\(\s*"((?:etcd|grpc|os)_[a-z0-9_]+)"/g)].map(
      ([, name]) => name,
    );
    const missing = defined.filter((name) => name !== undefined && !names.has(name));
    assert.deepEqual(missing, [], `${path} has names that tools/metrics-page.ts does not collect`);
  }
});

function sourceFiles(): string[] {
  const folder = join(root, "src");
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts"))
    .map((path) => join(folder, path));
}
