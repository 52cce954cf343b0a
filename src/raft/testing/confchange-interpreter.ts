/**
 * Transcripts about configurations: `simple`, `enter-joint` and `leave-joint` on a tracker that
 * starts without members. The log grows by one entry with each command, successful or not.
 */
import { formatConfig } from "../format.ts";
import { formatProgressMap } from "./format.ts";
import { type ChangeResult, changeSimply, enterJoint, leaveJoint } from "../confchange/changer.ts";
import { ProgressTracker } from "../tracker.ts";
import { parseConfChanges } from "./conf-change-text.ts";
import type { Interpreter, TranscriptCommand } from "./datadriven.ts";

export const CONFCHANGE_COMMANDS: readonly string[] = ["simple", "enter-joint", "leave-joint"];

export class ConfChangeInterpreter implements Interpreter {
  readonly #tracker = new ProgressTracker(10, Number.POSITIVE_INFINITY);
  #lastIndex = 0;

  run(command: TranscriptCommand): string {
    const changes = parseConfChanges(command.input);
    const lastIndex = this.#lastIndex++;
    if (typeof changes === "string") return changes;
    const result = this.#change(command, lastIndex, changes);
    if ("error" in result) return `${result.error}\n`;
    this.#tracker.config = result.config;
    this.#tracker.progress = result.progress;
    return `${formatConfig(result.config)}\n${formatProgressMap(result.progress)}`;
  }

  #change(
    command: TranscriptCommand,
    lastIndex: number,
    changes: Exclude<ReturnType<typeof parseConfChanges>, string>,
  ): ChangeResult {
    switch (command.name) {
      case "simple":
        return changeSimply(this.#tracker, lastIndex, changes);
      case "enter-joint": {
        const autoLeave = command.args.some(
          (arg) => arg.key === "autoleave" && arg.values[0] === "true",
        );
        return enterJoint(this.#tracker, lastIndex, autoLeave, changes);
      }
      case "leave-joint":
        if (changes.length > 0) return { error: "this command takes no input" };
        return leaveJoint(this.#tracker, lastIndex);
      default:
        return { error: "unknown command" };
    }
  }
}
