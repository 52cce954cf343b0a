/** The state of a process in words. */
import type { ProcessState } from "./managed-process.ts";

export function isRunning(state: ProcessState): boolean {
  return state.kind === "running" || state.kind === "stopping" || state.kind === "paused";
}

export function stateText(state: ProcessState): string {
  switch (state.kind) {
    case "running":
      return `running (${state.pid})`;
    case "paused":
      return `paused (${state.pid})`;
    case "stopping":
      return `stopping (${state.pid})`;
    case "ended":
      return state.status;
    case "stopped":
      return "stopped";
  }
}
