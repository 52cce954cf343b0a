/** V8's profiles in the form that `go tool pprof` reads (proto/profile.proto, in gzip). */
import type { HeapProfiler, Profiler, Runtime } from "node:inspector";
import { gzipSync } from "node:zlib";
import { Profile, type Sample, type ValueType } from "../../api/gen/profile.ts";

/** What is counted, such as `["cpu", "nanoseconds"]`. */
type Measure = readonly [type: string, unit: string];

/** When the profile was taken: Unix time in milliseconds, and for how long. */
export interface ProfiledTime {
  readonly beganMs: number;
  readonly tookMs: number;
}

const CPU_MEASURES: readonly Measure[] = [
  ["samples", "count"],
  ["cpu", "nanoseconds"],
];

/** Of V8's own names for what is no function: nothing runs, or everything does. */
const NOT_RUNNING = new Set(["(idle)", "(root)"]);

/** `intervalMs`: between two samples. Where nothing ran does not count, as in Go. */
export function pprofOfCpu(
  { nodes, samples = [], timeDeltas = [] }: Profiler.Profile,
  intervalMs: number,
  time: ProfiledTime,
): Buffer {
  const parents = new Map<number, number>();
  for (const { id, children = [] } of nodes) for (const child of children) parents.set(child, id);
  const byID = new Map(nodes.map((node) => [node.id, node]));
  const counts = new Map<number, { samples: number; micros: number }>();
  for (const [i, id] of samples.entries()) {
    const count = counts.get(id) ?? { samples: 0, micros: 0 };
    count.samples++;
    // A sample stands for the time until the next one.
    count.micros += Math.max(0, timeDeltas[i + 1] ?? 0);
    counts.set(id, count);
  }
  const profile = new PprofBuilder(CPU_MEASURES, time);
  profile.setPeriod(["cpu", "nanoseconds"], intervalMs * 1e6);
  for (const [id, count] of counts) {
    const stack: Runtime.CallFrame[] = [];
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const frame = byID.get(at)?.callFrame;
      if (frame !== undefined) stack.push(frame);
    }
    if (NOT_RUNNING.has(stack[0]?.functionName ?? "")) continue;
    profile.add(stack, [count.samples, count.micros * 1000]);
  }
  return profile.encode();
}

/** `kind`: what lives ("inuse"), or all that was made ("alloc"). V8 tells bytes, no numbers of objects. */
export function pprofOfHeap(
  { head }: HeapProfiler.SamplingHeapProfile,
  kind: "inuse" | "alloc",
  intervalBytes: number,
  time: ProfiledTime,
): Buffer {
  const profile = new PprofBuilder([[`${kind}_space`, "bytes"]], time);
  profile.setPeriod(["space", "bytes"], intervalBytes);
  const waiting: [node: HeapProfiler.SamplingHeapProfileNode, outer: Runtime.CallFrame[]][] = [
    [head, []],
  ];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [node, outer] = next;
    const stack = [node.callFrame, ...outer];
    if (node.selfSize > 0) profile.add(stack, [node.selfSize]);
    for (const child of node.children) waiting.push([child, stack]);
  }
  return profile.encode();
}

class PprofBuilder {
  readonly #profile: Profile;
  readonly #strings = new Map<string, number>([["", 0]]);
  readonly #locations = new Map<string, number>();

  constructor(measures: readonly Measure[], { beganMs, tookMs }: ProfiledTime) {
    this.#profile = Profile.create({
      sampleType: measures.map((measure) => this.#valueType(measure)),
      timeNanos: BigInt(Math.round(beganMs)) * 1_000_000n,
      durationNanos: Math.round(tookMs * 1e6),
    });
    const last = this.#profile.sampleType.at(-1);
    this.#profile.defaultSampleType = last?.type ?? 0;
  }

  setPeriod(measure: Measure, period: number): void {
    this.#profile.periodType = this.#valueType(measure);
    this.#profile.period = period;
  }

  /** `stack`: the innermost call first. */
  add(stack: readonly Runtime.CallFrame[], value: number[]): void {
    const called = stack.filter(({ functionName }) => functionName !== "(root)");
    const sample: Sample = { locationId: called.map((frame) => this.#location(frame)), value };
    this.#profile.sample.push(sample);
  }

  encode(): Buffer {
    this.#profile.stringTable = [...this.#strings.keys()];
    return gzipSync(Profile.encode(this.#profile));
  }

  #valueType([type, unit]: Measure): ValueType {
    return { type: this.#string(type), unit: this.#string(unit) };
  }

  #string(text: string): number {
    const index = this.#strings.get(text) ?? this.#strings.size;
    this.#strings.set(text, index);
    return index;
  }

  /** One function and one location for each place in a source. */
  #location({ functionName, url, lineNumber, columnNumber }: Runtime.CallFrame): number {
    const key = `${functionName}\n${url}\n${lineNumber}\n${columnNumber}`;
    let id = this.#locations.get(key);
    if (id !== undefined) return id;
    id = this.#locations.size + 1;
    this.#locations.set(key, id);
    const name = this.#string(functionName === "" ? "(anonymous)" : functionName);
    const filename = this.#string(url);
    // V8 counts lines from 0, and says -1 of what has none.
    const line = lineNumber + 1;
    this.#profile.function.push({ id, name, systemName: name, filename, startLine: line });
    this.#profile.location.push({ id, line: [{ functionId: id, line }] });
    return id;
  }
}
