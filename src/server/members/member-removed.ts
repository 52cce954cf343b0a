/** The end of a member that the others have removed: no failure, but there is no way back. */
import type { Clock, Logger, Timer } from "../../env/index.ts";

const TEXT = "the member has been permanently removed from the cluster";

/** A removed member lives on for this long, so that the others hear from it that it knows. */
const STOP_DELAY_MS = 1000;

/** Why a removed member stopped. Its data directory is of no use any more. */
export class MemberRemovedError extends Error {
  constructor() {
    super(TEXT);
    this.name = "MemberRemovedError";
  }
}

/** Why a member cannot go on. */
export function logEnd(logger: Logger, error: Error): void {
  if (error instanceof MemberRemovedError) {
    logger.warn("server error", { error });
    logger.warn("data-dir used by this member must be removed");
  } else {
    logger.error("the member cannot go on", { error });
  }
}

/** The time between the removal and the end. */
export class Removal {
  readonly #clock: Clock;
  readonly #end: (error: MemberRemovedError) => void;
  #timer: Timer | undefined;

  constructor(clock: Clock, end: (error: MemberRemovedError) => void) {
    this.#clock = clock;
    this.#end = end;
  }

  /** This member has learnt that it was removed. */
  begin(): void {
    this.#timer ??= this.#clock.setTimer(STOP_DELAY_MS, () => this.#end(new MemberRemovedError()));
  }

  cancel(): void {
    this.#timer?.cancel();
  }
}
