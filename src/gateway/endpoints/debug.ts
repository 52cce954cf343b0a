/** /version and /debug/vars: what this process is and does, in the shape of Go's expvar. */

import { getHeapStatistics } from "node:v8";
import type { HttpRequest, HttpResponse } from "../../env/http.ts";
import { allowOnlyGet, sendText } from "../http-text.ts";
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
