/** Waiting until this member has applied what it knows to be committed. */
import { EtcdError } from "../../api/errors.ts";
import type { ServerContext } from "../context.ts";

/** etcd's applyTimeout. */
const APPLY_TIMEOUT_MS = 1000;

export type WaitAppliedNeeds = Pick<ServerContext, "clock" | "committedIndex" | "reads">;

/** Rejects with `timeoutWaitAppliedIndex` after a second, or with `stopped`. */
export function waitApplied(server: WaitAppliedNeeds): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = server.clock.setTimer(APPLY_TIMEOUT_MS, () => {
      reject(new EtcdError("timeoutWaitAppliedIndex"));
    });
    server.reads.whenApplied(server.committedIndex, (error) => {
      timer.cancel();
      if (error === undefined) resolve();
      else reject(error);
    });
  });
}

export type IsAppliedNeeds = Pick<ServerContext, "appliedIndex" | "committedIndex">;

/** True when there is nothing to wait for. */
export function isApplied({ appliedIndex, committedIndex }: IsAppliedNeeds): boolean {
  return appliedIndex >= committedIndex;
}
