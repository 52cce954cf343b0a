/**
 * What each load costs the server, to be told with what was measured: its processor time, and the
 * longest stall of its event loop. A workload may put several loads on it, and start it again.
 */
import type { LoadJob, LoadResult } from "./load/jobs.ts";
import type { Sample } from "./report.ts";
import { type ServerProcess, STALL_METRIC } from "./server-process.ts";
import type { Measurement } from "./workloads.ts";

type Cost = Pick<Sample, "cpuMicrosPerOperation" | "stallMs">;
export type Costed = Measurement & Cost;

export class JobCosts {
  readonly #target: Pick<ServerProcess, "usage" | "metric">;
  readonly #runLoad: (job: LoadJob) => Promise<LoadResult>;
  readonly #costs = new Map<LoadResult, Cost>();

  constructor(
    target: Pick<ServerProcess, "usage" | "metric">,
    runLoad: (job: LoadJob) => Promise<LoadResult>,
  ) {
    this.#target = target;
    this.#runLoad = runLoad;
  }

  /** What came before does not count. */
  async begin(): Promise<void> {
    await this.#stall();
  }

  async run(job: LoadJob): Promise<LoadResult> {
    const before = this.#target.usage().cpuSeconds;
    const result = await this.#runLoad(job);
    const cpuMicros = (this.#target.usage().cpuSeconds - before) * 1e6;
    const { operations } = result;
    const cost = operations > 0 && { cpuMicrosPerOperation: cpuMicros / operations };
    this.#costs.set(result, { ...cost, ...(await this.#stall()) });
    return result;
  }

  /**
   * Gives each measurement what its load cost. One that is of no load, as a start, has the longest
   * stall behind all of them; memory has none.
   */
  async tell(measured: readonly Measurement[]): Promise<Costed[]> {
    const behindLoads = await this.#stall();
    return measured.map((measurement) => {
      if (measurement.memory !== undefined) return measurement;
      const { result } = measurement;
      const cost = result === undefined ? undefined : this.#costs.get(result);
      return { ...measurement, ...(cost ?? behindLoads) };
    });
  }

  /** The longest since it was asked for last: that is what the metric tells. */
  async #stall(): Promise<Pick<Cost, "stallMs">> {
    const seconds = await this.#target.metric(STALL_METRIC);
    return seconds === undefined ? {} : { stallMs: seconds * 1000 };
  }
}
