/**
 * The channel between a member and the launcher that started it. There is none unless the launcher
 * says so by a variable and has opened it: a program that starts a member as its child gets no
 * messages that it does not know.
 */
import { LAB_VARIABLE, parseFaults } from "../lab/lab-protocol.ts";
import type { LabChannel } from "../lab/member-lab.ts";
import { monotonicMs } from "./monotonic-time.ts";

/** @throws Error when the variable holds something else. */
export function labOfLauncher(): { readonly lab?: LabChannel } {
  const text = process.env[LAB_VARIABLE] ?? "";
  if (text === "" || process.send === undefined) return {};
  const lab: LabChannel = {
    faults: parseFaults(text),
    send: (report, done) => {
      // A launcher that was killed leaves its members alone.
      if (process.connected) process.send?.(report, undefined, undefined, done);
      else done();
    },
    onMessage: (listener) => {
      process.on("message", listener);
      // The member does not live for its launcher's sake.
      process.channel?.unref();
    },
    monotonicMs,
  };
  return { lab };
}
