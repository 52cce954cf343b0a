/** The hash of the store at a revision, as members compare it. */
import type { Revision } from "../../base/ids.ts";
import type { Slice } from "../../base/slice.ts";
import { hashInSteps, type KeyValueHash } from "../../mvcc/index.ts";
import type { Counted, ServerContext } from "../context.ts";
import type { UpkeepCounters } from "./upkeep-metrics.ts";

type Needs = Counted<Pick<UpkeepCounters, "hashRevisionDuration">> &
  Pick<ServerContext, "clock" | "stopSignal" | "store" | "turns">;

/** In slices; revision 0 is the current one. */
export async function hashRevision(server: Needs, revision: Revision): Promise<KeyValueHash> {
  const { clock, counters, stopSignal, store, turns } = server;
  const startMs = clock.nowMs();
  const job = store.hashByRevision(revision);
  const steps = (slice: Slice) => hashInSteps(job, slice);
  const result = await turns.result(steps, () => stopSignal.aborted).finally(() => job.close());
  counters.hashRevisionDuration.observe((clock.nowMs() - startMs) / 1000);
  return result;
}
