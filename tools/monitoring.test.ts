/** The alert rules and the dashboard in `deploy/` ask for what a member really offers. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse as parseYaml } from "yaml";
import { type MetricFamily, registeredFamilies } from "./metrics-page.ts";
import { parsePromQL } from "./promql.ts";
import { findRepository } from "./tidy.ts";

interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string };
}

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number };
  readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[];
}

/** Labels that Prometheus itself gives to what it scrapes. */
const TARGET_LABELS = ["job", "instance"];
const HISTOGRAM_SUFFIX = /_(bucket|sum|count)$/;

const root = findRepository(dirname(fileURLToPath(import.meta.url)));
const families = new Map<string, MetricFamily>();

before(async () => {
  for (const family of await registeredFamilies()) families.set(family.name, family);
});

function readRules(): readonly AlertRule[] {
  const text = readFileSync(join(root, "deploy/prometheus/etcd-alerts.yml"), "utf8");
  const { groups } = parseYaml(text) as { groups: { name: string; rules: AlertRule[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

function readPanels(): readonly Panel[] {
  const text = readFileSync(join(root, "deploy/grafana/etcd-dashboard.json"), "utf8");
  return (JSON.parse(text) as { panels: Panel[] }).panels;
}

/** Labels of the series of a metric; undefined when no member has it. */
function labelsOf(metric: string): readonly string[] | undefined {
  if (metric === "up") return TARGET_LABELS;
  const family = families.get(metric);
  if (family !== undefined && family.kind !== "histogram") {
    return [...family.labels, ...TARGET_LABELS];
  }
  const base = families.get(metric.replace(HISTOGRAM_SUFFIX, ""));
  if (base?.kind !== "histogram" || !HISTOGRAM_SUFFIX.test(metric)) return undefined;
  return [...base.labels, ...TARGET_LABELS, ...(metric.endsWith("_bucket") ? ["le"] : [])];
}

/** Labels that an expression's series have, all its metrics together. */
function checkExpression(expr: string, where: string): ReadonlySet<string> {
  const { selectors, groupings } = parsePromQL(expr);
  const known = new Set<string>();
  for (const { metric, labels } of selectors) {
    const has = labelsOf(metric);
    assert.ok(has !== undefined, `${where}: no member has ${metric}`);
    for (const label of has) known.add(label);
    for (const label of labels) {
      assert.ok(has.includes(label), `${where}: ${metric} has no label ${label}`);
    }
    assert.ok(labels.includes("job"), `${where}: ${metric} of every job`);
  }
  for (const label of groupings) assert.ok(known.has(label), `${where}: no label ${label}`);
  return known;
}

function checkTemplate(text: string, labels: ReadonlySet<string>, where: string): void {
  for (const [, label = ""] of text.matchAll(/\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}/g)) {
    assert.ok(labels.has(label), `${where}: the text names the label ${label}`);
  }
}

test("every alert asks for metrics and labels that members have", () => {
  const rules = readRules();
  assert.ok(rules.length > 15);
  for (const { alert, expr, annotations } of rules) {
    const labels = checkExpression(expr, alert);
    checkTemplate(annotations.description, labels, alert);
  }
});

test("every alert has a severity, an explanation, and a name of its own for it", () => {
  const seen = new Set<string>();
  for (const { alert, labels, annotations, for: wait = "0m" } of readRules()) {
    assert.match(alert, /^etcd[A-Z]\w+$/);
    assert.match(labels.severity, /^(warning|critical)$/, alert);
    assert.match(annotations.summary, /\.$/, alert);
    assert.match(annotations.description, /\{\{ \$labels\./, alert);
    assert.match(wait, /^\d+m$/, alert);
    const key = `${alert} ${labels.severity}`;
    assert.ok(!seen.has(key), `${key} is there twice`);
    seen.add(key);
  }
});

test("every panel of the dashboard asks for metrics and labels that members have", () => {
  const panels = readPanels();
  assert.ok(panels.length > 15);
  for (const { title, targets } of panels) {
    assert.ok(targets.length > 0, title);
    for (const { expr, legendFormat } of targets) {
      checkTemplate(legendFormat, checkExpression(expr, title), title);
    }
  }
});

test("panels of the dashboard do not overlap", () => {
  const taken = new Set<string>();
  const ids = new Set<number>();
  for (const { id, title, gridPos } of readPanels()) {
    assert.ok(!ids.has(id), `${title}: the id ${id} is there twice`);
    ids.add(id);
    for (let column = gridPos.x; column < gridPos.x + gridPos.w; column++) {
      const place = `${gridPos.y}:${column}`;
      assert.ok(column < 24 && !taken.has(place), `${title} at ${place}`);
      taken.add(place);
    }
  }
});

test("expressions that Prometheus would refuse are refused", () => {
  const wrong = [
    "",
    "rate(a_total)",
    "rate(a_total[5m]) >",
    "a[5m]",
    "sum(a[5m])",
    "rat(a[5m])",
    "sum by (x) (a",
    "sum by x (a)",
    'a{job="x"',
    'a{job="x" y="z"}',
    "a{job=x}",
    "a b",
    "increase(a[5])",
    "histogram_quantile(rate(a_bucket[5m]))",
    "a > b[5m]",
    "a & b",
  ];
  for (const expr of wrong) assert.throws(() => parsePromQL(expr), SyntaxError, expr);
  const right = 'a{x="1", y!~"2"} == bool 1 and on (x) group_left (z) (-sum(rate(b[5m])) by (x))';
  const { selectors, groupings } = parsePromQL(right);
  assert.deepEqual(selectors, [
    { metric: "a", labels: ["x", "y"] },
    { metric: "b", labels: [] },
  ]);
  assert.deepEqual(groupings, ["x", "z", "x"]);
});
