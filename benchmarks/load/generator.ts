/** The load generator's process: takes one job from its parent, runs it, answers, and exits. */
import { runClosedLoop } from "./closed-loop.ts";
import type { GeneratorReply, LoadJob, LoadResult } from "./jobs.ts";
import { runKeepAlive, runWatch } from "./streams.ts";

function run(job: LoadJob): Promise<LoadResult> {
  switch (job.kind) {
    case "closedLoop":
      return runClosedLoop(job);
    case "watch":
      return runWatch(job);
    case "keepAlive":
      return runKeepAlive(job);
  }
}

process.once("message", (job: LoadJob) => {
  const reply = (message: GeneratorReply): void => {
    process.send?.(message, () => process.disconnect());
  };
  run(job).then(
    (result) => reply({ kind: "done", result }),
    (error: unknown) => reply({ kind: "failed", message: String(error) }),
  );
});
