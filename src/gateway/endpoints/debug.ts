/**
 * /version and /debug: what this process is and does. `/debug/vars` has the shape of Go's expvar.
 * The `/debug/pprof` paths keep their places but give V8's formats: `profile` a `.cpuprofile`,
 * `heap` a `.heapsnapshot`, both for Chrome's developer tools. They are served only if enabled.
 */

import { Session } from "node:inspector";
import { getHeapSnapshot, getHeapStatistics } from "node:v8";
import type { HttpRequest, HttpResponse } from "../../env/http.ts";
import { allowOnlyGet, sendError, sendText } from "../http-text.ts";
import type { HealthSource } from "./health.ts";

export interface DebugDeps {
  readonly source: HealthSource;
  /** Command line, for `/debug/vars` and `/debug/pprof/cmdline`. */
  readonly commandLine: readonly string[];
  /** Value of `raft.status` in `/debug/vars`. */
  readonly raftStatus?: (() => unknown) | undefined;
  /** Value of `file_descriptor_limit` in `/debug/vars`. */
  readonly fileDescriptorLimit?: (() => number) | undefined;
}

const TEXT = { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" };
const DEFAULT_PROFILE_SECONDS = 30;
/** Longest CPU profile; the response waits for as long. */
const MAX_PROFILE_SECONDS = 600;

export function serveVersion(
  source: HealthSource,
  request: HttpRequest,
  response: HttpResponse,
): void {
  if (!allowOnlyGet(request, response)) return;
  const { server, cluster, storage } = source.version();
  const body = JSON.stringify({
    etcdserver: server,
    etcdcluster: cluster ?? "not_decided",
    storage: storage ?? "unknown",
  });
  sendText(request, response, 200, body, { "content-type": "application/json" });
}

export function serveDebugVars(
  deps: DebugDeps,
  request: HttpRequest,
  response: HttpResponse,
): void {
  if (!allowOnlyGet(request, response)) return;
  const variables: [string, unknown][] = [
    ["cmdline", deps.commandLine],
    ["file_descriptor_limit", deps.fileDescriptorLimit?.() ?? 0],
    ["memstats", memoryStatistics()],
    ["raft.status", deps.raftStatus?.() ?? {}],
  ];
  const rows = variables.map(([name, value]) => `${JSON.stringify(name)}: ${toJson(value)}`);
  const headers = { "content-type": "application/json; charset=utf-8" };
  sendText(request, response, 200, `{\n${rows.join(",\n")}\n}\n`, headers);
}

function toJson(value: unknown): string {
  return JSON.stringify(value, (_, each) => (typeof each === "bigint" ? String(each) : each));
}

/** Those of Go's memory statistics that have a counterpart. */
function memoryStatistics(): Readonly<Record<string, number>> {
  const memory = process.memoryUsage();
  const heap = getHeapStatistics();
  return {
    Alloc: memory.heapUsed,
    Sys: memory.rss,
    HeapAlloc: memory.heapUsed,
    HeapSys: memory.heapTotal,
    HeapInuse: memory.heapUsed,
    HeapIdle: memory.heapTotal - memory.heapUsed,
    HeapLimit: heap.heap_size_limit,
    External: memory.external,
    ArrayBuffers: memory.arrayBuffers,
  };
}

const PROFILES: readonly [name: string, what: string][] = [
  ["cmdline", "The command line of the process."],
  ["heap", "A heap snapshot of V8 (.heapsnapshot). The process stands still while it is taken."],
  ["profile", "A CPU profile of V8 (.cpuprofile). Its length is ?seconds=N, by default 30."],
  ["symbol", "Only for tools that ask for it: there are no symbols here."],
];

/** The `/debug/pprof` paths. `name` is what follows `/debug/pprof/`. */
export class Profiler {
  readonly #commandLine: readonly string[];
  #busy = false;

  constructor(commandLine: readonly string[]) {
    this.#commandLine = commandLine;
  }

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
        this.#profile(request, response);
        break;
      case "heap":
        this.#heap(request, response);
        break;
      default:
        sendError(request, response, 404, "Unknown profile", { "x-go-pprof": "1" });
    }
  }

  #profile(request: HttpRequest, response: HttpResponse): void {
    const seconds = Number(new URLSearchParams(request.query).get("seconds") ?? "");
    const wanted = seconds > 0 ? seconds : DEFAULT_PROFILE_SECONDS;
    if (wanted > MAX_PROFILE_SECONDS) {
      sendError(request, response, 400, `seconds must be at most ${MAX_PROFILE_SECONDS}`);
      return;
    }
    if (!this.#claim(request, response)) return;
    takeCpuProfile(wanted * 1000, response).then(
      (profile) => {
        this.#busy = false;
        sendAttachment(response, profile, "etcd.cpuprofile");
      },
      (error: Error) => {
        this.#busy = false;
        sendError(request, response, 500, `Could not enable CPU profiling: ${error.message}`);
      },
    );
  }

  #heap(request: HttpRequest, response: HttpResponse): void {
    if (!this.#claim(request, response)) return;
    const snapshot = getHeapSnapshot();
    const done = (): void => {
      this.#busy = false;
    };
    response.head(200, attachmentHeaders("etcd.heapsnapshot"));
    response.onDrain = () => snapshot.resume();
    response.onClose = () => {
      done();
      snapshot.destroy();
    };
    snapshot.on("data", (chunk: Buffer | string) => {
      if (!response.write(chunk)) snapshot.pause();
    });
    snapshot.on("end", () => {
      done();
      response.end();
    });
    snapshot.on("error", () => {
      done();
      response.end();
    });
  }

  #claim(request: HttpRequest, response: HttpResponse): boolean {
    if (!this.#busy) {
      this.#busy = true;
      return true;
    }
    const text = "Could not enable CPU profiling: cpu profiling already in use";
    sendError(request, response, 500, text, { "x-go-pprof": "1" });
    return false;
  }
}

function serveIndex(request: HttpRequest, response: HttpResponse): void {
  const rows = PROFILES.map(([name, what]) => `<li><a href="${name}">${name}</a>: ${what}</li>`);
  const body = `<html>
<head><title>/debug/pprof/</title></head>
<body>
<p>Profiles of this Node.js process, for Chrome's developer tools:</p>
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

/** Records for `durationMs`, or until the client goes away. */
function takeCpuProfile(durationMs: number, response: HttpResponse): Promise<string> {
  return new Promise((resolve, reject) => {
    const session = new Session();
    session.connect();
    let stopped = false;
    const stop = (): void => {
      if (stopped) return;
      stopped = true;
      clearTimeout(timer);
      session.post("Profiler.stop", (error, result) => {
        session.disconnect();
        if (error !== null) reject(error);
        else resolve(JSON.stringify(result.profile));
      });
    };
    const timer = setTimeout(stop, durationMs);
    response.onClose = stop;
    session.post("Profiler.enable", () => {
      session.post("Profiler.start", (error) => {
        if (error === null) return;
        stopped = true;
        clearTimeout(timer);
        session.disconnect();
        reject(error);
      });
    });
  });
}

function sendAttachment(response: HttpResponse, body: string, name: string): void {
  if (response.closed) return;
  response.head(200, attachmentHeaders(name));
  response.end(body);
}

function attachmentHeaders(name: string): Record<string, string> {
  return {
    "content-type": "application/octet-stream",
    "content-disposition": `attachment; filename="${name}"`,
    "x-content-type-options": "nosniff",
  };
}
