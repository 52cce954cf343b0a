/**
 * TCP ports for servers that a test starts. The system takes the ports of outgoing connections,
 * and of servers that listen on port 0, from its ephemeral range (from 32768 on Linux, from 49152
 * elsewhere): one that is found free there and let go belongs to the next connection of anybody.
 * These lie below it, and no two processes that ask here get the same: each holds the first port
 * of every block that it gives ports of, for as long as it lives.
 */
import { createServer, type Server } from "node:net";

const FIRST_PORT = 10_000;
const BLOCK_SIZE = 25;
const BLOCK_COUNT = 880;

/** The ports of this process's own blocks that were not given yet, the next one last. */
let left: number[] = [];
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
    if (port === undefined) await takeBlock();
    else {
      const server = await listenOn(port);
      if (server !== undefined) {
        await new Promise((resolve) => server.close(resolve));
        return port;
      }
    }
  }
}

async function takeBlock(): Promise<void> {
  for (let tried = 0; tried < BLOCK_COUNT; tried++) {
    const first = FIRST_PORT + nextBlock * BLOCK_SIZE;
    nextBlock = (nextBlock + 1) % BLOCK_COUNT;
    const guard = await listenOn(first);
    if (guard === undefined) continue;
    guard.unref();
    const rest = Array.from({ length: BLOCK_SIZE - 1 }, (_, i) => first + 1 + i);
    left = [...rest.reverse(), ...left];
    return;
  }
  throw new Error(`every block of ports from ${FIRST_PORT} on is taken`);
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
