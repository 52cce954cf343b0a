/**
 * How long a cluster takes until it acknowledges a new write: puts are sent to every given member
 * at short intervals, whether the last ones were answered or not, as impatient clients would.
 * Connections are made before, so that only the servers are measured.
 */
import { LoadConnection } from "./load-connection.ts";
import { requestTemplates } from "./requests.ts";

const INTERVAL_MS = 5;
const TIMEOUT_MS = 60_000;

export class FirstWrite {
  readonly #connections: LoadConnection[] = [];
  readonly #template;
  #nextKey = 0;
  #onEnd: (status: number, nowMs: number) => void = () => {};

  constructor(ports: readonly number[], valueBytes: number) {
    this.#template = requestTemplates({ kind: "put", valueBytes });
    for (const port of ports) {
      const connection: LoadConnection = new LoadConnection(port, {
        onEnd: (_, status, nowMs) => this.#onEnd(status, nowMs),
        // A member that leaves is asked no more; if all do, the time runs out.
        onClose: () => this.#forget(connection),
      });
      this.#connections.push(connection);
    }
  }

  #forget(connection: LoadConnection): void {
    const index = this.#connections.indexOf(connection);
    if (index >= 0) this.#connections.splice(index, 1);
  }

  /** One put on each connection, answered with success: the connections stand. */
  async ready(): Promise<void> {
    for (const connection of [...this.#connections]) {
      await this.#until(() => this.#put(connection));
    }
  }

  /** Milliseconds from `startMs` to the first success of a put that is sent from now on. */
  async first(startMs: number): Promise<number> {
    let timer: NodeJS.Timeout | undefined;
    const send = (): void => {
      for (const connection of this.#connections) this.#put(connection);
      timer = setTimeout(send, INTERVAL_MS);
    };
    try {
      return (await this.#until(send)) - startMs;
    } finally {
      clearTimeout(timer);
    }
  }

  #put(connection: LoadConnection): void {
    connection.call(this.#template, this.#nextKey++);
  }

  /** When a put first succeeded. @throws Error when none does in time. */
  #until(send: () => void): Promise<number> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("no write is acknowledged")), TIMEOUT_MS);
      this.#onEnd = (status, nowMs) => {
        if (status !== 0) return;
        clearTimeout(timer);
        this.#onEnd = () => {};
        resolve(nowMs);
      };
      send();
    });
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }
}
