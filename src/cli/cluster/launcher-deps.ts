/** What the launcher is given of the world. */
import type { Clock } from "../../env/clock.ts";
import type { Surroundings } from "./control-path.ts";
import type { MemberProgram } from "./plan.ts";
import type { Output } from "./screen.ts";

export interface LauncherDeps extends Surroundings {
  readonly clock: Clock;
  readonly pid: number;
  /** Of the clock that all processes of the machine share. */
  monotonicMs(): number;
  /** A text that nobody can guess. */
  secret(): string;
  /** The etcd of this installation. */
  readonly program: MemberProgram;
  /** The folder with this installation's commands, for Procfiles on machines without an etcd. */
  readonly commandFolder: string;
  readonly output: Output;
  readonly isTerminal: boolean;
  /**
   * Calls back for every request to end: Ctrl-C, SIGTERM, a closed terminal, an output that nobody
   * reads. Returns how to stop listening.
   */
  onInterrupt(listener: () => void): () => void;
  /** Called when the process is about to be gone, whatever happened. Returns how to stop listening. */
  onExit(listener: () => void): () => void;
}
