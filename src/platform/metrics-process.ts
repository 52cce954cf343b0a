/**
 * What monitoring expects of any process (`process_*`, `os_fd_*`), plus the health of the event
 * loop and of the heap of this runtime. Go's `go_*` families have no honest counterpart here and
 * are left out. Values that the system does not offer (no /proc) are left out, too.
 */

import { readdirSync, readFileSync } from "node:fs";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { plain } from "../env/metric-table.ts";
import type { MetricsRegistry } from "./metrics.ts";

/** Linux reports CPU time and start time in these, whatever the kernel's own tick. */
const CLOCK_TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4096;
/** RLIM_INFINITY as Go's collector prints it. */
const UNLIMITED = 2 ** 64;
const LAG_RESOLUTION_MS = 20;
/** Number of directory entries of /proc/self/fd that belong to the reading itself. */
const OWN_DESCRIPTORS = 1;

/** etcd's own names for what Prometheus calls `process_open_fds` and `process_max_fds`. */
export const DescriptorMetrics = {
  fileDescriptorsUsed: plain("os_fd_used", "The number of used file descriptors."),
  fileDescriptorsLimit: plain("os_fd_limit", "The file descriptor limit."),
} as const;

/** A running observation of the process; `stop` ends it. */
export interface ProcessMetrics {
  stop(): void;
}

/** Registers the process families in `registry`; values are read at each scrape. */
export function registerProcessMetrics(registry: MetricsRegistry): ProcessMetrics {
  registerCpuAndMemory(registry);
  registerFileDescriptors(registry);
  registerNetwork(registry);
  return registerRuntime(registry);
}

function registerCpuAndMemory(registry: MetricsRegistry): void {
  registry.counterFunction(
    { name: "process_cpu_seconds_total", help: "Total user and system CPU time spent in seconds." },
    () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
  );
  registry.gaugeFunction(
    { name: "process_resident_memory_bytes", help: "Resident memory size in bytes." },
    () => process.memoryUsage.rss(),
  );
  const startSeconds = processStartSeconds();
  registry.gaugeFunction(
    {
      name: "process_start_time_seconds",
      help: "Start time of the process since unix epoch in seconds.",
    },
    () => startSeconds,
  );
  if (virtualMemoryBytes() === undefined) return;
  registry.gaugeFunction(
    { name: "process_virtual_memory_bytes", help: "Virtual memory size in bytes." },
    () => virtualMemoryBytes() ?? 0,
  );
  registry.gaugeFunction(
    {
      name: "process_virtual_memory_max_bytes",
      help: "Maximum amount of virtual memory available in bytes.",
    },
    () => readLimit("Max address space") ?? UNLIMITED,
  );
}

function registerFileDescriptors(registry: MetricsRegistry): void {
  if (openFileDescriptors() === undefined) return;
  const used = (): number => openFileDescriptors() ?? 0;
  registry.gaugeFunction(
    { name: "process_open_fds", help: "Number of open file descriptors." },
    used,
  );
  registry.gaugeFunction(
    { name: "process_max_fds", help: "Maximum number of open file descriptors." },
    fileDescriptorLimit,
  );
  registry.gaugeFunction(DescriptorMetrics.fileDescriptorsUsed, used);
  registry.gaugeFunction(DescriptorMetrics.fileDescriptorsLimit, fileDescriptorLimit);
}

/**
 * Bytes of IP packets in the network namespace, as Prometheus' collector for Go counts them: with
 * the loopback interface, and with what other processes of the namespace send.
 */
function registerNetwork(registry: MetricsRegistry): void {
  if (networkBytes("InOctets") === undefined) return;
  registry.counterFunction(
    {
      name: "process_network_receive_bytes_total",
      help: "Number of bytes received by the process over the network.",
    },
    () => networkBytes("InOctets") ?? 0,
  );
  registry.counterFunction(
    {
      name: "process_network_transmit_bytes_total",
      help: "Number of bytes sent by the process over the network.",
    },
    () => networkBytes("OutOctets") ?? 0,
  );
}

/** A column of /proc/self/net/netstat: a line of names, then one of numbers, per protocol. */
function networkBytes(column: "InOctets" | "OutOctets"): number | undefined {
  try {
    const lines = readFileSync("/proc/self/net/netstat", "latin1").split("\n");
    const [names, values] = lines.filter((line) => line.startsWith("IpExt:"));
    const value = Number(values?.split(" ")[names?.split(" ").indexOf(column) ?? -1]);
    return Number.isFinite(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** How many file descriptors this process may have; 0 if the system does not tell. */
export function fileDescriptorLimit(): number {
  return readLimit("Max open files") ?? 0;
}

function registerRuntime(registry: MetricsRegistry): ProcessMetrics {
  const delay = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  delay.enable();
  const meanLag = registry.gauge({
    name: "nodejs_eventloop_lag_mean_seconds",
    help: "Mean delay of the event loop since the last scrape.",
  });
  const p99Lag = registry.gauge({
    name: "nodejs_eventloop_lag_p99_seconds",
    help: "99th percentile of the delay of the event loop since the last scrape.",
  });
  const maxLag = registry.gauge({
    name: "nodejs_eventloop_lag_max_seconds",
    help: "Longest delay of the event loop since the last scrape.",
  });
  const lag = registry.gauge({
    name: "nodejs_eventloop_lag_seconds",
    help: "Median delay of the event loop since the last scrape.",
  });
  const heapUsed = registry.gauge({
    name: "nodejs_heap_size_used_bytes",
    help: "Used bytes of the JavaScript heap.",
  });
  const heapTotal = registry.gauge({
    name: "nodejs_heap_size_total_bytes",
    help: "Total bytes of the JavaScript heap.",
  });
  const external = registry.gauge({
    name: "nodejs_external_memory_bytes",
    help: "Memory of buffers and other objects outside of the JavaScript heap.",
  });
  registry
    .gauges({ name: "nodejs_version_info", help: "1 for the version of Node.js." }, ["version"])
    .of(process.version)
    .set(1);
  registry.beforeRender(() => {
    lag.set(lagSeconds(delay.percentile(50)));
    meanLag.set(lagSeconds(delay.mean));
    p99Lag.set(lagSeconds(delay.percentile(99)));
    maxLag.set(lagSeconds(delay.max));
    delay.reset();
    const memory = process.memoryUsage();
    heapUsed.set(memory.heapUsed);
    heapTotal.set(memory.heapTotal);
    external.set(memory.external);
  });
  return { stop: () => delay.disable() };
}

/** The sampling timer itself takes its resolution; what is beyond it is lag. */
function lagSeconds(nanoseconds: number): number {
  if (!Number.isFinite(nanoseconds)) return 0;
  return Math.max(0, nanoseconds / 1e9 - LAG_RESOLUTION_MS / 1e3);
}

/** Undefined if the system does not tell. */
export function openFileDescriptors(): number | undefined {
  try {
    return readdirSync("/proc/self/fd").length - OWN_DESCRIPTORS;
  } catch {
    return undefined;
  }
}

/** The soft limit in the named row of /proc/self/limits; undefined if unlimited or unknown. */
function readLimit(row: string): number | undefined {
  try {
    for (const line of readFileSync("/proc/self/limits", "latin1").split("\n")) {
      if (!line.startsWith(row)) continue;
      const soft = Number(line.slice(row.length).trim().split(/\s+/)[0]);
      return Number.isFinite(soft) ? soft : undefined;
    }
  } catch {
    return undefined;
  }
  return undefined;
}

function virtualMemoryBytes(): number | undefined {
  try {
    return Number(readFileSync("/proc/self/statm", "latin1").split(" ")[0]) * PAGE_BYTES;
  } catch {
    return undefined;
  }
}

function processStartSeconds(): number {
  try {
    // Field 22 of stat, counted behind the name in parentheses, which may contain spaces.
    const stat = readFileSync("/proc/self/stat", "latin1");
    const ticks = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
    const boot = /^btime (\d+)$/m.exec(readFileSync("/proc/stat", "latin1"))?.[1];
    if (boot !== undefined && Number.isFinite(ticks)) {
      return Number(boot) + ticks / CLOCK_TICKS_PER_SECOND;
    }
  } catch {
    // Without /proc the runtime's own start is close enough.
  }
  return performance.timeOrigin / 1000;
}
