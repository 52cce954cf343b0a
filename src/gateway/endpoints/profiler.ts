/**
 * The `/debug/pprof` paths: profiles that `go tool pprof` reads, as etcd's, or with `?format=v8` those
 * of Chrome's developer tools. They are served only if enabled.
 */
import type { HeapProfiler } from "node:inspector";
import type { Clock } from "../../env/clock.ts";
import type { HttpRequest, HttpResponse } from "../../env/http.ts";
import { sendError, sendText } from "../http-text.ts";
import { pprofOfCpu, pprofOfHeap, type ProfiledTime } from "./pprof-profile.ts";
import {
  CPU_SAMPLE_INTERVAL_MS,
  HEAP_SAMPLE_INTERVAL_BYTES,
  HeapSampler,
  takeCpuProfile,
} from "./v8-profiles.ts";

const TEXT = { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" };
const DEFAULT_PROFILE_SECONDS = 30;
/** Longest profile; the response waits for as long. */
const MAX_PROFILE_SECONDS = 600;

const PROFILES: readonly [name: string, what: string][] = [
  ["allocs", "Where memory is allocated within ?seconds=N, by default 30."],
  ["cmdline", "The command line of the process."],
  [
    "heap",
    "Where the objects in use were allocated, as far as they are younger than the sampling.",
  ],
  ["profile", "Where the processor time goes within ?seconds=N, by default 30."],
  ["symbol", "Only for tools that ask for it: there are no symbols here."],
];

/** A profile in both forms. */
interface Taken {
  readonly name: string;
  readonly v8: () => string;
  readonly pprof: () => Buffer;
}

export interface ProfilerDeps {
  readonly clock: Clock;
  readonly commandLine: readonly string[];
}

export class Profiler {
  readonly #clock: Clock;
  readonly #commandLine: readonly string[];
  readonly #heap = new HeapSampler();
  readonly #busy = new Set<"cpu" | "heap">();

  constructor({ clock, commandLine }: ProfilerDeps) {
    this.#clock = clock;
    this.#commandLine = commandLine;
  }

  /** `name` is what follows `/debug/pprof/`. */
  handle(name: string, request: HttpRequest, response: HttpResponse): void {
    switch (name) {
      case "":
        serveIndex(request, response);
        break;
      case "cmdline":
        sendText(request, response, 200, this.#commandLine.join("\u0000"), TEXT);
        break;
      case "symbol":
        sendText(request, response, 200, "num_symbols: 1\n", TEXT);
        break;
      case "profile":
        this.#serve("cpu", request, response, (ended) => this.#takeCpu(ended));
        break;
      case "heap":
        this.#serve("heap", request, response, async () => {
          const time = this.#since(this.#clock.wallMs());
          return heapProfile("heap", "inuse", await this.#heap.live(), time);
        });
        break;
      case "allocs":
        this.#serve("heap", request, response, async (ended) => {
          const beganMs = this.#clock.wallMs();
          const profile = await this.#heap.allocations(ended);
          return heapProfile("allocs", "alloc", profile, this.#since(beganMs));
        });
        break;
      default:
        sendError(request, response, 404, "Unknown profile", { "x-go-pprof": "1" });
    }
  }

  /** One at a time of each profiler of V8. */
  #serve(
    profiler: "cpu" | "heap",
    request: HttpRequest,
    response: HttpResponse,
    take: (ended: Promise<void>) => Promise<Taken>,
  ): void {
    const query = new URLSearchParams(request.query);
    const seconds = Number(query.get("seconds") ?? "");
    const wanted = seconds > 0 ? seconds : DEFAULT_PROFILE_SECONDS;
    if (wanted > MAX_PROFILE_SECONDS) {
      sendError(request, response, 400, `seconds must be at most ${MAX_PROFILE_SECONDS}`);
      return;
    }
    if (this.#busy.has(profiler)) {
      const text = `Could not enable ${profiler} profiling: ${profiler} profiling already in use`;
      sendError(request, response, 500, text, { "x-go-pprof": "1" });
      return;
    }
    this.#busy.add(profiler);
    const isV8 = query.get("format") === "v8";
    // Who has an answer may ask again.
    take(this.#endOf(response, wanted * 1000))
      .finally(() => this.#busy.delete(profiler))
      .then(
        (taken) => {
          const body = isV8 ? taken.v8() : taken.pprof();
          sendAttachment(response, body, isV8 ? `etcd.${taken.name}profile` : taken.name);
        },
        (error: Error) => {
          sendError(request, response, 500, `Could not enable profiling: ${error.message}`);
        },
      );
  }

  async #takeCpu(ended: Promise<void>): Promise<Taken> {
    const beganMs = this.#clock.wallMs();
    const profile = await takeCpuProfile(ended);
    const time = this.#since(beganMs);
    return {
      name: "cpu",
      v8: () => JSON.stringify(profile),
      pprof: () => pprofOfCpu(profile, CPU_SAMPLE_INTERVAL_MS, time),
    };
  }

  #since(beganMs: number): ProfiledTime {
    return { beganMs, tookMs: this.#clock.wallMs() - beganMs };
  }

  /** After the time, or when the client goes away. */
  #endOf(response: HttpResponse, durationMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(durationMs, resolve);
      response.onClose = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}

function heapProfile(
  name: string,
  kind: "inuse" | "alloc",
  profile: HeapProfiler.SamplingHeapProfile,
  time: ProfiledTime,
): Taken {
  return {
    name,
    v8: () => JSON.stringify(profile),
    pprof: () => pprofOfHeap(profile, kind, HEAP_SAMPLE_INTERVAL_BYTES, time),
  };
}

function serveIndex(request: HttpRequest, response: HttpResponse): void {
  const rows = PROFILES.map(([name, what]) => `<li><a href="${name}">${name}</a>: ${what}</li>`);
  const body = `<html>
<head><title>/debug/pprof/</title></head>
<body>
<p>Profiles of this Node.js process, for <code>go tool pprof</code>; with <code>?format=v8</code>
for Chrome's developer tools:</p>
<ul>
${rows.join("\n")}
</ul>
</body>
</html>
`;
  sendText(request, response, 200, body, {
    "content-type": "text/html; charset=utf-8",
    "x-content-type-options": "nosniff",
  });
}

function sendAttachment(response: HttpResponse, body: string | Buffer, name: string): void {
  if (response.closed) return;
  response.head(200, {
    "content-type": "application/octet-stream",
    "content-disposition": `attachment; filename="${name}"`,
    "x-content-type-options": "nosniff",
  });
  response.end(body);
}
