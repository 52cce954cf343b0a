/**
 * How the cost of an operation grows with what a member holds. Each point of a curve is measured on
 * fresh members; costs are processor time of the servers, memory is what they hold in anonymous
 * pages, so that neither depends on how fast the load is.
 */
import type { ServerUnderTest } from "../server-process.ts";
import { LEASES } from "./lease-curve.ts";
import { KEYS, REVISIONS, VALUE_SIZE } from "./key-curves.ts";
import { MEMBERS } from "./member-curve.ts";
import { WATCHERS } from "./watcher-curve.ts";

/** A binary to be measured, and where its data goes. */
export interface Subject {
  readonly server: ServerUnderTest;
  readonly folder: string;
}

/** One plot of a curve. */
export interface Panel {
  /** Its name among the measured values. */
  readonly metric: string;
  readonly title: string;
  readonly unit: string;
}

/** Values by metric. */
export type Values = Readonly<Record<string, number>>;

export interface Curve {
  readonly name: string;
  readonly title: string;
  /** What grows. */
  readonly axis: string;
  readonly sizes: readonly number[];
  readonly panels: readonly Panel[];
  measure(subject: Subject, size: number): Promise<Values>;
}

export const CURVES: readonly Curve[] = [KEYS, VALUE_SIZE, WATCHERS, LEASES, REVISIONS, MEMBERS];
