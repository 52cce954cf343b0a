/**
 * TCP ports for servers that a test starts. The system takes the ports of outgoing connections,
 * and of servers that listen on port 0, from its ephemeral range (from 32768 on Linux, from 49152
 * elsewhere): one that is found free there and let go belongs to the next connection of anybody.
 * These lie below it, and no two processes that ask here get the same: each holds the first port
 * of every block that it gives ports of, for as long as it lives.
 */
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:net";

const FIRST_PORT = 10_000;
const BLOCK_SIZE = 25;
const BLOCK_COUNT = countBlocks();
/** The guides' commands, run as they stand, have these in every file that runs them. */
const GUIDE_PORTS = [12_379, 12_380, 22_379, 22_380, 32_379, 32_380];

/** The ports of this process's own blocks that were not given yet, the next one last. */
const left: number[] = [];
/** Processes of one run have neighbouring numbers; each begins some blocks behind the last. */
let nextBlock = (process.pid * 7) % BLOCK_COUNT;

/** Ports of the loopback address that nobody listens on, all different, no two given twice. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}

export async function freePort(): Promise<number> {
  for (;;) {
    const port = left.pop();
    if (port === undefined) left.push(...(await takeBlock()).reverse());
    else if (await isFree(port)) return port;
  }
}

/** The first of so many pairs of neighbours, `step` apart: members of `etcd-cluster --port-step`. */
export async function freePortRow(pairs: number, step: number): Promise<number> {
  if ((pairs - 1) * step + 2 >= BLOCK_SIZE) throw new Error("no block has room for such a row");
  for (;;) {
    const [first = 0] = await takeBlock();
    const row = Array.from({ length: pairs }, (_, i) => [first + i * step, first + i * step + 1]);
    const free = await Promise.all(row.flat().map(isFree));
    if (!free.includes(false)) return first;
  }
}

/** Blocks below the ephemeral range, which begins lower where somebody has set it so. */
function countBlocks(): number {
  let end = 32_768;
  try {
    const range = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8");
    end = Math.min(end, Number.parseInt(range, 10));
  } catch {
    // No Linux.
  }
  const count = Math.floor((end - FIRST_PORT) / BLOCK_SIZE);
  // Where it holds nearly all ports, these are as good as others.
  return count < 100 ? 900 : count;
}

/** The ports of a block that no other process has, without the one that holds it. */
async function takeBlock(): Promise<number[]> {
  for (let tried = 0; tried < BLOCK_COUNT; tried++) {
    const first = FIRST_PORT + nextBlock * BLOCK_SIZE;
    nextBlock = (nextBlock + 1) % BLOCK_COUNT;
    if (GUIDE_PORTS.some((port) => port >= first && port < first + BLOCK_SIZE)) continue;
    const guard = await listenOn(first);
    if (guard === undefined) continue;
    guard.unref();
    return Array.from({ length: BLOCK_SIZE - 1 }, (_, i) => first + 1 + i);
  }
  throw new Error(`every block of ports from ${FIRST_PORT} on is taken`);
}

async function isFree(port: number): Promise<boolean> {
  const server = await listenOn(port);
  await new Promise((resolve) => (server === undefined ? resolve(0) : server.close(resolve)));
  return server !== undefined;
}

/** Undefined if somebody listens there already. */
function listenOn(port: number): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else reject(error);
    });
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => resolve(server));
  });
}
