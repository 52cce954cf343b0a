/**
 * What others feel of TLS handshakes that never end: a victim puts and reads over TLS while so many
 * connections say the first bytes of a handshake and then nothing. One that is closed is replaced a
 * second later. Prints the victim's waits and the server's memory, without and with them.
 *
 *   node dist/benchmarks/half-open.js [--connections 2000] [--seconds 10] [--vs BINARY] [--dir DIR]
 */
import { connect, type Socket } from "node:net";
import { parseArgs } from "node:util";
import type { ClosedLoopJob, LoadResult } from "./load/jobs.ts";
import { secureShape, ServerProcess, type ServerUnderTest } from "./server-process.ts";
import { Generator, inTurn, TRIAL_OPTIONS } from "./trial.ts";
import { MEGABYTE, PUT, SAME_KEY } from "./workloads.ts";

/** A record of a handshake whose 512 bytes do not come (RFC 8446, section 5.1). */
const BEGINNING = Buffer.from([0x16, 3, 1, 2, 0, 1]);
/** Ports of one loopback address do not suffice for tens of thousands. */
const PER_ADDRESS = 10_000;
const REOPEN_MS = 1000;
/** Opened at a time, so that the system's queue does not overflow. */
const OPENING = 100;

class HalfOpen {
  readonly #port: number;
  readonly #sockets = new Set<Socket>();
  #opened = 0;
  #stopped = false;

  constructor(port: number) {
    this.#port = port;
  }

  get opened(): number {
    return this.#opened;
  }

  async open(count: number): Promise<void> {
    for (let begun = 0; begun < count; begun += OPENING) {
      const batch = Array.from({ length: Math.min(OPENING, count - begun) }, () => this.#one());
      await Promise.all(batch);
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  #one(): Promise<void> {
    const address = `127.0.1.${1 + (Math.floor(this.#opened / PER_ADDRESS) % 250)}`;
    this.#opened++;
    return new Promise((resolve) => {
      const socket = connect({ host: "127.0.0.1", port: this.#port, localAddress: address });
      this.#sockets.add(socket);
      socket.once("connect", () => {
        socket.write(BEGINNING);
        resolve();
      });
      // Being closed is what the attack expects.
      socket.on("error", () => socket.destroy());
      socket.once("close", () => {
        this.#sockets.delete(socket);
        resolve();
        if (!this.#stopped) setTimeout(() => void this.#one(), REOPEN_MS).unref();
      });
      socket.resume();
    });
  }
}

function victim(port: number, seconds: number): Promise<LoadResult> {
  const job: ClosedLoopJob = {
    kind: "closedLoop",
    ports: [port],
    isSecure: true,
    connections: 1,
    streams: 1,
    request: PUT,
    ...SAME_KEY,
    warmUpSeconds: 1,
    limit: { seconds },
  };
  return new Generator(job).result;
}

function report(what: string, member: ServerProcess, { operations, latency }: LoadResult): void {
  const memory = (member.usage().residentBytes / MEGABYTE).toFixed(0);
  const { p50Ms, p99Ms } = latency;
  console.log(
    `${member.server.label}, ${what}: ${operations} puts, p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms, memory ${memory} MB`,
  );
}

async function measure(server: ServerUnderTest, folder: string, count: number, seconds: number) {
  const member = new ServerProcess(server, folder, await secureShape(folder));
  try {
    await member.start();
    report("alone", member, await victim(member.securePort, seconds));
    const attack = new HalfOpen(member.securePort);
    await attack.open(count);
    report(`${count} half open`, member, await victim(member.securePort, seconds));
    console.log(`${attack.opened} handshakes were begun`);
    attack.stop();
  } finally {
    await member.stop();
    member.removeData();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      connections: { type: "string", default: "2000" },
      seconds: { type: "string", default: "10" },
      ...TRIAL_OPTIONS,
    },
  });
  await inTurn(values, (server, folder) =>
    measure(server, folder, Number(values.connections), Number(values.seconds)),
  );
}

await main();
