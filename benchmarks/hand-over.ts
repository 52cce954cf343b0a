/**
 * What it costs to hand a batch of calls to another thread and to get the answers back: by messages
 * with a copy, by messages that move the memory, and by two rings in shared memory. One thread sends
 * a batch, the other answers each with as many bytes, and the next batch follows.
 *
 *   node dist/benchmarks/hand-over.js [--seconds 1] [--request 300] [--reply 80]
 *
 * Told for each size of a batch: processor time of both threads for a call (there and back), and
 * the time of a round, which is what a call that is alone waits longer.
 */
/// <reference lib="es2024.sharedmemory" />
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type MessagePort, parentPort, Worker, workerData } from "node:worker_threads";

type Way = "copied" | "moved" | "ring";

const WAYS: readonly Way[] = ["copied", "moved", "ring"];
const BATCHES = [1, 10, 100, 1000];
const RING_BYTES = 4 * 1024 * 1024;
/** Of one ring: how much was ever written and read, and whether the reader sleeps. */
const WRITTEN = 0;
const READ = 1;
const SLEEPS = 2;
const HEAD_BYTES = 64;
/** A wait for shared memory does not keep a thread alive, a timer does. */
const KEEP_ALIVE_MS = 1000;
/** Looks at an empty ring before the reader sleeps. */
const LOOKS = 50;

interface Task {
  readonly way: Way;
  readonly requestBytes: number;
  readonly replyBytes: number;
  readonly rings: readonly [SharedArrayBuffer, SharedArrayBuffer];
}

/** Batches of one direction: a length each, and the bytes. */
class Ring {
  readonly #head: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #lengths: DataView;

  constructor(memory: SharedArrayBuffer) {
    this.#head = new Int32Array(memory, 0, HEAD_BYTES / 4);
    this.#bytes = new Uint8Array(memory, HEAD_BYTES);
    this.#lengths = new DataView(memory, HEAD_BYTES);
  }

  /** A batch never wraps around: what is left at the end stays unused. One batch is under way. */
  write(batch: Uint8Array): void {
    this.#lengths.setInt32(0, batch.length);
    this.#bytes.set(batch, 4);
    Atomics.add(this.#head, WRITTEN, 1);
    if (Atomics.exchange(this.#head, SLEEPS, 0) === 1) Atomics.notify(this.#head, WRITTEN);
  }

  /** Undefined while there is none. The copy is the reader's own. */
  read(): Uint8Array | undefined {
    if (Atomics.load(this.#head, WRITTEN) === Atomics.load(this.#head, READ)) return undefined;
    const copy = this.#bytes.slice(4, 4 + this.#lengths.getInt32(0));
    Atomics.add(this.#head, READ, 1);
    return copy;
  }

  /** Without holding up the thread's loop. */
  async readWhenThere(): Promise<Uint8Array> {
    for (let i = 0; i < LOOKS; i++) {
      const batch = this.read();
      if (batch !== undefined) return batch;
    }
    for (;;) {
      const seen = Atomics.load(this.#head, READ);
      Atomics.store(this.#head, SLEEPS, 1);
      const batch = this.read();
      if (batch !== undefined) return batch;
      const waiting = Atomics.waitAsync(this.#head, WRITTEN, seen);
      if (waiting.async) await waiting.value;
    }
  }
}

/** Every call of a batch is looked at, as a server does: its bytes are copied into the answer. */
function answer(batch: Uint8Array, { requestBytes, replyBytes }: Task): Uint8Array<ArrayBuffer> {
  const calls = batch.length / requestBytes;
  const replies = new Uint8Array(calls * replyBytes);
  for (let i = 0; i < calls; i++) {
    const at = i * requestBytes;
    replies.set(batch.subarray(at, at + replyBytes), i * replyBytes);
  }
  return replies;
}

async function serve(task: Task, port: MessagePort): Promise<void> {
  if (task.way !== "ring") {
    port.on("message", (batch: Uint8Array) => {
      const replies = answer(batch, task);
      port.postMessage(replies, task.way === "moved" ? [replies.buffer] : []);
    });
    return;
  }
  const [requests, replies] = [new Ring(task.rings[0]), new Ring(task.rings[1])];
  setInterval(() => {}, KEEP_ALIVE_MS);
  for (;;) replies.write(answer(await requests.readWhenThere(), task));
}

/** One after the other; returns how many there were in so many seconds. */
async function drive(
  task: Task,
  worker: Worker,
  calls: number,
  seconds: number,
): Promise<{ rounds: number; seconds: number; cpuMicros: number }> {
  const [requests, replies] = [new Ring(task.rings[0]), new Ring(task.rings[1])];
  const source = new Uint8Array(calls * task.requestBytes).fill(7);
  let arrived: (replies: Uint8Array) => void = () => {};
  worker.removeAllListeners("message");
  worker.on("message", (message: Uint8Array) => arrived(message));
  const round = async (): Promise<void> => {
    if (task.way === "ring") {
      requests.write(source);
      await replies.readWhenThere();
      return;
    }
    const answered = new Promise<Uint8Array>((resolve) => {
      arrived = resolve;
    });
    const batch = task.way === "moved" ? source.slice() : source;
    worker.postMessage(batch, task.way === "moved" ? [batch.buffer] : []);
    await answered;
  };
  const run = async (length: number): Promise<number> => {
    const endMs = performance.now() + length * 1000;
    let rounds = 0;
    for (; performance.now() < endMs; rounds++) await round();
    return rounds;
  };
  await run(seconds / 2);
  const before = process.cpuUsage();
  const startMs = performance.now();
  const rounds = await run(seconds);
  const { user, system } = process.cpuUsage(before);
  return { rounds, seconds: (performance.now() - startMs) / 1000, cpuMicros: user + system };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "1" },
      request: { type: "string", default: "300" },
      reply: { type: "string", default: "80" },
    },
  });
  for (const way of WAYS) {
    const rings = [
      new SharedArrayBuffer(HEAD_BYTES + RING_BYTES),
      new SharedArrayBuffer(HEAD_BYTES + RING_BYTES),
    ] as const;
    const sizes = { requestBytes: Number(values.request), replyBytes: Number(values.reply) };
    const task: Task = { way, ...sizes, rings };
    const alive = setInterval(() => {}, KEEP_ALIVE_MS);
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: task });
    for (const calls of BATCHES) {
      const { rounds, seconds, cpuMicros } = await drive(
        task,
        worker,
        calls,
        Number(values.seconds),
      );
      const columns = [
        way.padEnd(7),
        `${calls} calls`.padStart(11),
        `${(cpuMicros / rounds / calls).toFixed(3)} µs of processor time a call`.padStart(36),
        `${((seconds * 1e6) / rounds).toFixed(1)} µs a round`.padStart(18),
      ];
      console.log(columns.join("  "));
    }
    clearInterval(alive);
    await worker.terminate();
  }
}

if (parentPort === null) await main();
else await serve(workerData as Task, parentPort);
