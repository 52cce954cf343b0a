/** What runs did, for people. */
import type { RunReport } from "./run.ts";

const SHOWN_VIOLATION_CHARS = 2500;

export function describeSeed(report: RunReport): string {
  const { plan, digest, operations, events, simulatedMs, violations, undecided } = report;
  const what = violations.length === 0 ? "ok" : `${violations.length} VIOLATIONS`;
  const lines = [
    `seed ${plan.seed}: ${what}; trace ${digest}, ${plan.members} members, ` +
      `${operations} requests, ${events} events, ${(simulatedMs / 1000).toFixed(1)} s simulated, ` +
      `faults: ${plan.faults.join(" ") || "none"}`,
    ...violations.map((violation) => `  ${shorten(violation)}`),
    ...undecided.map((text) => `  undecided: ${shorten(text)}`),
  ];
  return lines.join("\n");
}

function shorten(text: string): string {
  return text.length <= SHOWN_VIOLATION_CHARS
    ? text
    : `${text.slice(0, SHOWN_VIOLATION_CHARS)} ...`;
}

/** Sums over many seeds. */
export class Totals {
  failed = 0;
  /** Seeds that gave two traces. */
  differing = 0;
  #seeds = 0;
  #undecided = 0;
  #events = 0;
  #operations = 0;
  #simulatedMs = 0;
  readonly #startMs = performance.now();
  readonly #counts = new Map<string, number>();

  add(report: RunReport): void {
    this.#seeds++;
    if (report.violations.length > 0) this.failed++;
    this.#undecided += report.undecided.length;
    this.#events += report.events;
    this.#operations += report.operations;
    this.#simulatedMs += report.simulatedMs;
    for (const [what, times] of report.counts) {
      this.#counts.set(what, (this.#counts.get(what) ?? 0) + times);
    }
  }

  progress(of: number): string {
    return `${this.#seeds} of ${of} seeds, ${this.failed} with violations`;
  }

  summary(): string {
    const seconds = (performance.now() - this.#startMs) / 1000;
    const simulated = this.#simulatedMs / 1000;
    const faults = this.#list((what) => what.startsWith("fault "));
    const rest = this.#list((what) => !what.startsWith("fault "));
    return [
      `${this.#seeds} seeds in ${seconds.toFixed(1)} s: ${(this.#seeds / seconds).toFixed(2)} seeds/s, ` +
        `${(simulated / 3600).toFixed(2)} h simulated (${(simulated / seconds).toFixed(0)} times real time), ` +
        `${this.#operations} requests, ${this.#events} events`,
      `faults: ${faults.map((each) => each.replace("fault ", "")).join(", ") || "none"}`,
      `also: ${rest.join(", ")}`,
      `violations: ${this.failed} seeds; ${this.#undecided} questions undecided` +
        (this.differing > 0 ? `; ${this.differing} seeds were not deterministic` : ""),
    ].join("\n");
  }

  #list(wanted: (what: string) => boolean): string[] {
    return [...this.#counts]
      .filter(([what]) => wanted(what))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([what, times]) => `${what} ${times}`);
  }
}
