/** The report of a run, for people. */
import { ELECTION_MS } from "./cluster.ts";
import type { InjectedFault } from "./nemesis.ts";
import type { RunReport } from "./run.ts";

export function formatReport(report: RunReport): string {
  const { history, faults } = report;
  const lines = [
    `seed ${report.seed}, members ${report.versions.join(", ")}`,
    "",
    `faults ${faults.length}; time to heal in election timeouts (${ELECTION_MS} ms)`,
    ...faultLines(faults),
    ...report.skipped.map((each) => `  skipped ${each}`),
    "",
    `operations ${report.operations}: ${report.acknowledged} answered, ${report.refused} refused, ${report.unknown} unknown`,
    `revisions ${history.revisions}, of which ${history.unknownHappened} by unanswered writes`,
    `watches ${report.watches}, events ${history.events}`,
    `minority asked ${report.minorityProbes} times; paused leaders answered ${report.pausedReads} reads`,
    "",
    `violations ${report.violations.length}`,
    ...report.violations,
  ];
  if (report.folder !== undefined) lines.push("", `kept in ${report.folder}`);
  return lines.join("\n");
}

function faultLines(faults: readonly InjectedFault[]): string[] {
  const kinds = [...new Set(faults.map(({ kind }) => kind))].sort();
  const width = Math.max(0, ...kinds.map((kind) => kind.length));
  return kinds.map((kind) => {
    const times = faults
      .filter((fault) => fault.kind === kind)
      .map(({ healMs }) => healMs / ELECTION_MS)
      .sort((a, b) => a - b);
    const median = times[Math.floor(times.length / 2)] ?? 0;
    const longest = times.at(-1) ?? 0;
    return `  ${kind.padEnd(width)} ${String(times.length).padStart(4)}  median ${median.toFixed(1)}  longest ${longest.toFixed(1)}`;
  });
}
