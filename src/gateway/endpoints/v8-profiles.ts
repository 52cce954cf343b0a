/** Profiles of this process by V8's sampling profilers, through the inspector's protocol. */
import { type HeapProfiler, type Profiler, Session } from "node:inspector";

/** As often as Go's profiler looks. */
export const CPU_SAMPLE_INTERVAL_MS = 10;
/** One sample per so many bytes allocated, on average: Go's rate, whose cost nobody notices. */
export const HEAP_SAMPLE_INTERVAL_BYTES = 512 * 1024;

/** Records until `ended` settles, which must not reject. */
export async function takeCpuProfile(ended: Promise<void>): Promise<Profiler.Profile> {
  const session = new Session();
  session.connect();
  try {
    await post<void>((done) => session.post("Profiler.enable", done));
    const interval = CPU_SAMPLE_INTERVAL_MS * 1000;
    await post<void>((done) => session.post("Profiler.setSamplingInterval", { interval }, done));
    await post<void>((done) => session.post("Profiler.start", done));
    await ended;
    const { profile } = await post<Profiler.StopReturnType>((done) =>
      session.post("Profiler.stop", done),
    );
    return profile;
  } finally {
    session.disconnect();
  }
}

/**
 * Remembers where the objects that live were allocated, from `start` on. V8 has one sampling heap
 * profiler per process: while `allocations` uses it, and for what was allocated before, `live`
 * knows nothing.
 */
export class HeapSampler {
  readonly #session = new Session();
  readonly #started: Promise<void>;

  constructor() {
    this.#session.connect();
    this.#started = this.#start(false);
  }

  /** Takes the time of a full garbage collection. */
  async live(): Promise<HeapProfiler.SamplingHeapProfile> {
    await this.#started;
    const { profile } = await post<HeapProfiler.GetSamplingProfileReturnType>((done) =>
      this.#session.post("HeapProfiler.getSamplingProfile", done),
    );
    return profile;
  }

  /** All that is allocated until `ended` settles, whether it still lives or not. One at a time. */
  async allocations(ended: Promise<void>): Promise<HeapProfiler.SamplingHeapProfile> {
    await this.#started;
    await this.#stop();
    await this.#start(true);
    await ended;
    const { profile } = await this.#stop();
    await this.#start(false);
    return profile;
  }

  #start(withDead: boolean): Promise<void> {
    // Newer than the types of the protocol.
    const options = {
      samplingInterval: HEAP_SAMPLE_INTERVAL_BYTES,
      includeObjectsCollectedByMajorGC: withDead,
      includeObjectsCollectedByMinorGC: withDead,
    };
    return post<void>((done) => this.#session.post("HeapProfiler.startSampling", options, done));
  }

  #stop(): Promise<HeapProfiler.StopSamplingReturnType> {
    return post((done) => this.#session.post("HeapProfiler.stopSampling", done));
  }
}

function post<T>(send: (done: (error: Error | null, result: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    send((error, result) => {
      if (error === null) resolve(result);
      else reject(error);
    });
  });
}
