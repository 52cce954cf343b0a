/**
 * How a layer lists the metrics that it changes: a table of names, help texts, labels and buckets in
 * a file of its own, called after its metrics, so that a name is spelt once. Names, labels (with
 * etcd's odd capitals) and buckets are etcd's, since dashboards and alerts depend on them.
 * `tools/metrics-page.ts` collects the tables.
 */
import type { HistogramOptions, MetricOptions } from "./metrics.ts";

/** A family with labels; pass `labels` as the second argument at registration. */
export interface LabelledMetric extends MetricOptions {
  readonly labels: readonly string[];
}
export interface LabelledHistogram extends HistogramOptions {
  readonly labels: readonly string[];
}

export function plain(name: string, help: string): MetricOptions {
  return { name, help };
}

export function labelled(name: string, help: string, ...labels: string[]): LabelledMetric {
  return { name, help, labels };
}

export function histogram(
  name: string,
  help: string,
  buckets: readonly number[],
): HistogramOptions {
  return { name, help, buckets };
}

export function labelledHistogram(
  name: string,
  help: string,
  buckets: readonly number[],
  labels: readonly string[],
): LabelledHistogram {
  return { name, help, buckets, labels };
}

/** `count` upper bounds: `start`, `start * factor`, `start * factor^2` ... */
export function exponentialBuckets(start: number, factor: number, count: number): number[] {
  const buckets: number[] = [];
  let bound = start;
  for (let i = 0; i < count; i++) {
    buckets.push(bound);
    bound *= factor;
  }
  return buckets;
}

/** 1 ms to 8.2 s, the range that etcd uses for everything that touches a disk. */
export const DISK_SECONDS: readonly number[] = exponentialBuckets(0.001, 2, 14);
/** 0.1 s to 51 s. */
export const TRANSFER_SECONDS: readonly number[] = exponentialBuckets(0.1, 2, 10);
