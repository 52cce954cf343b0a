/**
 * What `etcd grpc-proxy` costs that hands each event to so many watchers of one key: events for each
 * second of the proxy's processor time, its memory, and what its member has to watch. The member is
 * ours for both proxies.
 *
 *   node dist/benchmarks/proxy-fan-out.js [--watchers 10000] [--connections 10] [--seconds 10]
 *     [--value 100] [--vs BINARY] [--dir DIR]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { parseArgs } from "node:util";
import { ServerProcess, type ServerUnderTest, usageOf } from "./server-process.ts";
import { Generator, inTurn, OUR_SERVER, TRIAL_OPTIONS } from "./trial.ts";
import { MEGABYTE } from "./workloads.ts";
import { freePorts } from "../src/base/testing/free-ports.ts";

const POLL_MS = 50;
const START_TIMEOUT_MS = 60_000;
const WATCHES = "etcd_debugging_mvcc_watcher_total";

interface FanOut {
  readonly watchers: number;
  readonly connections: number;
  readonly seconds: number;
  readonly valueBytes: number;
}

async function startProxy(
  { binary, env }: ServerUnderTest,
  member: number,
  port: number,
): Promise<ChildProcess> {
  const address = `127.0.0.1:${port}`;
  const flags = ["--listen-addr", address, "--advertise-client-url", address];
  const child = spawn(
    binary,
    ["grpc-proxy", "start", "--endpoints", `127.0.0.1:${member}`, ...flags],
    { stdio: "ignore", env: { ...process.env, ...env } },
  );
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  while (!(await accepts(port))) {
    if (performance.now() > deadlineMs) throw new Error(`${binary} grpc-proxy does not start`);
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
  return child;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

/** Resident memory, looked at while `work` runs; the largest that was seen. */
async function peakMemory<T>(pid: number, work: Promise<T>): Promise<{ peak: number; value: T }> {
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, usageOf(pid).residentBytes);
  }, POLL_MS);
  try {
    return { value: await work, peak };
  } finally {
    clearInterval(timer);
  }
}

async function measure(server: ServerUnderTest, folder: string, options: FanOut): Promise<void> {
  const { seconds, ...load } = options;
  const member = new ServerProcess(OUR_SERVER, folder);
  await member.start();
  const [port = 0] = await freePorts(1);
  const proxy = await startProxy(server, member.port, port);
  const pid = proxy.pid ?? 0;
  try {
    const idle = usageOf(pid).residentBytes;
    // One event for each, so that making the watches is not measured with the events.
    const job = { kind: "watch", port, ...load } as const;
    await new Generator({ ...job, seconds: 1 }).result;
    const running = new Generator({ ...job, seconds }).result;
    while (((await member.metric(WATCHES)) ?? 0) === 0);
    const earlier = usageOf(pid).cpuSeconds;
    const { value, peak } = await peakMemory(pid, running);
    const cpuSeconds = usageOf(pid).cpuSeconds - earlier;
    const columns = [
      server.label.padEnd(6),
      `${(value.operations / cpuSeconds / 1000).toFixed(0)}k events per processor second`,
      `${(value.operations / value.seconds / 1000).toFixed(0)}k events/s`,
      `p50 ${value.latency.p50Ms.toFixed(0)} ms, p99 ${value.latency.p99Ms.toFixed(0)} ms to the last watcher`,
      `memory ${(idle / MEGABYTE).toFixed(0)} MB idle, ${(peak / MEGABYTE).toFixed(0)} MB at most`,
    ];
    console.log(columns.join("  "));
  } finally {
    const ended = once(proxy, "exit");
    proxy.kill("SIGKILL");
    await ended;
    await member.stop();
    member.removeData();
  }
}

const { values } = parseArgs({
  options: {
    watchers: { type: "string", default: "10000" },
    connections: { type: "string", default: "10" },
    seconds: { type: "string", default: "10" },
    value: { type: "string", default: "100" },
    ...TRIAL_OPTIONS,
  },
});
const fanOut: FanOut = {
  watchers: Number(values.watchers),
  connections: Number(values.connections),
  seconds: Number(values.seconds),
  valueBytes: Number(values.value),
};
await inTurn(values, (server, folder) => measure(server, folder, fanOut));
