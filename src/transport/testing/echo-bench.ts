/**
 * Measures trivial unary calls: `node24 src/transport/testing/echo-bench.ts [connections] [streams]
 * [seconds] [bytes]`. The server runs in a second process. Not part of the product.
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { RpcService, UnaryCall } from "../../env/rpc.ts";
import { type ClientConnection, connect } from "../client/connection.ts";
import type { CallHandler } from "../client/client-call.ts";
import { listen } from "../listener.ts";
import { ECHO_METHODS, SILENT_LOGGER, SystemClock } from "./echo-service.ts";

/** Echoes without a copy kept and counts its batches. */
const service: RpcService & { batches: number; calls: number } = {
  batches: 0,
  calls: 0,
  unary(calls: readonly UnaryCall[]) {
    this.batches += 1;
    this.calls += calls.length;
    for (let i = 0; i < calls.length; i++) {
      const call = calls[i] as UnaryCall;
      call.reply(call.body);
    }
  },
  stream() {},
};

async function serve(): Promise<void> {
  const options = {
    service,
    methods: ECHO_METHODS,
    clock: new SystemClock(),
    logger: SILENT_LOGGER,
  };
  const listener = await listen({ host: "127.0.0.1", port: 0 }, options);
  if ("port" in listener.address) process.send?.({ port: listener.address.port });
  process.on("message", () => {
    const { user, system } = process.cpuUsage();
    const { calls, batches } = service;
    process.send?.({
      calls,
      batches,
      cpuMs: (user + system) / 1000,
      rss: process.memoryUsage.rss(),
    });
  });
  process.on("disconnect", () => process.exit(0));
}

interface Report {
  readonly port: number;
  readonly calls: number;
  readonly batches: number;
  readonly cpuMs: number;
  readonly rss: number;
}

async function main(): Promise<void> {
  const [connections = 100, streams = 10, seconds = 3, bytes = 64] = process.argv
    .slice(2)
    .map(Number);
  const execArgv = (process.env.SERVER_ARGV ?? "").split(" ").filter(Boolean);
  const server = fork(fileURLToPath(import.meta.url), ["serve"], { execArgv });
  const ask = (): Promise<Report> =>
    new Promise((resolve) => {
      server.once("message", (report: Report) => resolve(report));
      server.send("report");
    });
  const { port } = await new Promise<Report>((resolve) => server.once("message", resolve));
  const body = Buffer.alloc(bytes, "x");
  let done = 0;
  let stopping = false;
  const latencies: number[] = [];
  const start = (connection: ClientConnection): void => {
    const method = connection.method("/test.Echo/Echo");
    let sentAt = 0;
    const handler: CallHandler = {
      onMessage() {},
      onEnd(error) {
        if (stopping) return;
        if (error !== undefined) throw error;
        done += 1;
        if (connections * streams === 1) {
          const now = performance.now();
          latencies.push(now - sentAt);
          sentAt = now;
        }
        connection.call(method, body, handler);
      },
    };
    sentAt = performance.now();
    connection.call(method, body, handler);
  };
  for (let i = 0; i < connections; i++) {
    const connection = await connect("127.0.0.1", port);
    for (let k = 0; k < streams; k++) start(connection);
  }
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const before = await ask();
  const clientBefore = process.cpuUsage();
  const doneBefore = done;
  latencies.length = 0;
  const startedAt = performance.now();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const tookMs = performance.now() - startedAt;
  const count = done - doneBefore;
  const client = process.cpuUsage(clientBefore);
  const after = await ask();
  const calls = after.calls - before.calls;
  const line = {
    callsPerSecond: Math.round((count / tookMs) * 1000),
    serverMicrosPerCall: +(((after.cpuMs - before.cpuMs) * 1000) / calls).toFixed(2),
    clientMicrosPerCall: +((client.user + client.system) / count).toFixed(2),
    batch: +(calls / (after.batches - before.batches)).toFixed(1),
    serverRssMB: Math.round(after.rss / 1e6),
  };
  latencies.sort((a, b) => a - b);
  const at = (p: number): string =>
    `${((latencies[Math.floor(latencies.length * p)] ?? 0) * 1000).toFixed(0)} us`;
  process.stdout.write(`${connections}x${streams} ${bytes}B ${JSON.stringify(line)}`);
  if (latencies.length > 0) process.stdout.write(` p50 ${at(0.5)} p99 ${at(0.99)}`);
  process.stdout.write("\n");
  stopping = true;
  server.disconnect();
  setTimeout(() => process.exit(0), 100);
}

if (process.argv[2] === "serve") await serve();
else await main();
