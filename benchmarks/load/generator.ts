/**
 * The load generator's process: takes one job from its parent, runs it, answers, and exits. A second
 * message stops a job that has no other limit.
 */
import { runClosedLoop } from "./closed-loop.ts";
import { runHandshakes } from "./handshakes.ts";
import { type GeneratorReply, type LoadJob, type LoadResult, STOP_MESSAGE } from "./jobs.ts";
import { runLargeValues } from "./large-values.ts";
import { runOpenLoop } from "./open-loop.ts";
import { runSnapshot } from "./snapshot.ts";
import { runKeepAlive, runWatch } from "./streams.ts";
import { runV2, runV2Wait } from "./v2.ts";

function run(job: LoadJob, stop: AbortSignal): Promise<LoadResult> {
  switch (job.kind) {
    case "closedLoop":
      return runClosedLoop(job, stop);
    case "openLoop":
      return runOpenLoop(job, stop);
    case "watch":
      return runWatch(job);
    case "keepAlive":
      return runKeepAlive(job);
    case "handshakes":
      return runHandshakes(job);
    case "v2":
      return runV2(job);
    case "v2Wait":
      return runV2Wait(job);
    case "largeValues":
      return runLargeValues(job);
    case "snapshot":
      return runSnapshot(job);
  }
}

process.once("message", (job: LoadJob) => {
  const reply = (message: GeneratorReply): void => {
    process.send?.(message, () => process.disconnect());
  };
  const stop = new AbortController();
  process.on("message", (message) => {
    if (message === STOP_MESSAGE) stop.abort();
  });
  run(job, stop.signal).then(
    (result) => reply({ kind: "done", result }),
    (error: unknown) => reply({ kind: "failed", message: String(error) }),
  );
});
