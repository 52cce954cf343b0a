/** What the offline tool is given: the disk, a clock, a logger for people, and its own text stream. */
import type { Clock } from "../../env/clock.ts";
import type { Disk } from "../../env/disk.ts";
import type { Logger } from "../../env/logger.ts";
import type { NamingDeps } from "../../membership/index.ts";
import type { Invocation } from "../framework/command.ts";
import type { ProgressReport } from "../framework/progress-bar.ts";

/** Makes what a command needs of the world, once it is clear that it runs. */
export type UtilityWorld = (call: Invocation) => Promise<UtilityDeps>;

export interface UtilityDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  /** For comparing peer URLs; the process waits for this clock. */
  readonly naming: NamingDeps;
  /** etcd's console lines on standard error. */
  readonly logger: Logger;
  /** Tells how far long work has got, where somebody looks; otherwise does nothing. */
  readonly progress: ProgressReport;
  /** A remark on standard error. */
  readonly tell: (line: string) => void;
}

/** Work that was refused or failed. The message is what is printed; nothing was left behind. */
export class UtilityError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "UtilityError";
  }
}
