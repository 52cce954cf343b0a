/**
 * Load on the v2 API: sets and reads of keys over kept HTTP/1.1 connections, and waiters of one key. A
 * small reader of answers of its own, so that the generator is not what is measured.
 */
import { connect, type Socket } from "node:net";
import { Histogram } from "./histogram.ts";
import type { LoadResult, V2Job, V2WaitJob } from "./jobs.ts";

const KEYS = 1000;

/** One request at a time; `onAnswer` gets the status of each. */
class HttpConnection {
  readonly #socket: Socket;
  readonly #onAnswer: (status: number) => void;
  #text = "";

  constructor(port: number, onAnswer: (status: number) => void, onEnd: (error: Error) => void) {
    this.#onAnswer = onAnswer;
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.#socket.setEncoding("latin1").on("data", (text: string) => this.#take(text));
    this.#socket.on("error", onEnd);
    this.#socket.on("close", () => onEnd(new Error("the server has closed a connection")));
  }

  send(request: string): void {
    this.#socket.write(request, "latin1");
  }

  close(): void {
    this.#socket.removeAllListeners("close").destroy();
  }

  #take(text: string): void {
    this.#text += text;
    const headEnd = this.#text.indexOf("\r\n\r\n");
    if (headEnd < 0) return;
    const head = this.#text.slice(0, headEnd);
    const body = this.#text.slice(headEnd + 4);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    const isWhole =
      length === undefined ? body.endsWith("0\r\n\r\n") : body.length >= Number(length);
    if (!isWhole) return;
    this.#text = "";
    this.#onAnswer(Number(head.slice("HTTP/1.1 ".length, "HTTP/1.1 200".length)));
  }
}

function setRequest(key: string, value: string): string {
  const form = `value=${value}`;
  return (
    `PUT /v2/keys/${key} HTTP/1.1\r\nHost: bench\r\n` +
    `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${form.length}\r\n\r\n${form}`
  );
}

function getRequest(path: string): string {
  return `GET /v2/keys/${path} HTTP/1.1\r\nHost: bench\r\n\r\n`;
}

function keyOf(index: number): string {
  return `bench/${index % KEYS}`;
}

/** Every connection sends its next request when it has the last one's answer. */
export async function runV2(job: V2Job): Promise<LoadResult> {
  const value = "x".repeat(job.valueBytes);
  if (job.operation === "get") {
    for (let index = 0; index < KEYS; index++)
      await once(job.port, setRequest(keyOf(index), value));
  }
  let next = 0;
  const request = (): string => {
    const key = keyOf(next++);
    return job.operation === "get" ? getRequest(key) : setRequest(key, value);
  };
  const histogram = new Histogram();
  let errors = 0;
  const startMs = performance.now();
  const endMs = startMs + job.seconds * 1000;
  const run = (): Promise<void> =>
    new Promise((resolve, reject) => {
      let sentMs = performance.now();
      const connection = new HttpConnection(
        job.port,
        (status) => {
          const nowMs = performance.now();
          if (status < 300) histogram.record(nowMs - sentMs);
          else errors++;
          sentMs = nowMs;
          if (nowMs < endMs) connection.send(request());
          else {
            connection.close();
            resolve();
          }
        },
        reject,
      );
      connection.send(request());
    });
  await Promise.all(Array.from({ length: job.connections }, run));
  const seconds = (performance.now() - startMs) / 1000;
  const latency = histogram.summary();
  return { operations: latency.count, errors, seconds, latency };
}

function once(port: number, request: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const answered = (): void => {
      connection.close();
      resolve();
    };
    const connection = new HttpConnection(port, answered, reject);
    connection.send(request);
  });
}

/**
 * Everybody waits for one key; the next set follows when all have heard of the last and wait again.
 * Operations are events; the latency is from a set to its last event.
 */
export async function runV2Wait(job: V2WaitJob): Promise<LoadResult> {
  const value = "x".repeat(job.valueBytes);
  const wait = getRequest("waited?wait=true");
  const histogram = new Histogram();
  const startMs = performance.now();
  const endMs = startMs + job.seconds * 1000;
  let heard = 0;
  let allHeard = (): void => {};
  let waiters: readonly HttpConnection[] = [];
  const failed = new Promise<never>((_, reject) => {
    waiters = Array.from(
      { length: job.waiters },
      () => new HttpConnection(job.port, () => ++heard === job.waiters && allHeard(), reject),
    );
  });
  const work = async (): Promise<void> => {
    while (performance.now() < endMs) {
      for (const waiter of waiters) waiter.send(wait);
      await untilWaiting(job.port, job.waiters);
      heard = 0;
      const all = new Promise<void>((resolve) => {
        allHeard = resolve;
      });
      const sentMs = performance.now();
      await Promise.all([once(job.port, setRequest("waited", value)), all]);
      histogram.record(performance.now() - sentMs);
    }
  };
  await Promise.race([work(), failed]);
  for (const waiter of waiters) waiter.close();
  const seconds = (performance.now() - startMs) / 1000;
  const latency = histogram.summary();
  return { operations: latency.count * job.waiters, errors: 0, seconds, latency };
}

async function untilWaiting(port: number, count: number): Promise<void> {
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${port}/v2/stats/store`);
    const { watchers } = (await response.json()) as { readonly watchers: number };
    if (watchers >= count) return;
  }
}
