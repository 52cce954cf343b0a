/**
 * Waiting for a change: the head goes out at once, the event when it comes. A stream goes on until
 * the client leaves, or takes too little of it.
 */
import type { Request } from "../api/gen/etcdserver.ts";
import { eventJSON, KEYS_ROOT, type StoreEvent, type Watcher } from "../v2store/index.ts";
import type { HttpResponse } from "../env/http.ts";
import type { V2Backend } from "./backend.ts";
import type { Exchange } from "./reply.ts";

/** Events that wait for a slow reader of a stream, as in etcd; with one more the stream ends. */
const MAX_WAITING_EVENTS = 100;

/** Throws or rejects with `V2Error` when the history does not reach back so far. */
export function serveWatch(
  backend: V2Backend,
  waits: Waits,
  exchange: Exchange,
  request: Request,
): undefined | Promise<void> {
  const { Path, Recursive: isRecursive, Stream: isStream, Since: sinceIndex } = request;
  const wait = new Wait(backend, waits, exchange, isStream);
  const options = { isRecursive, isStream, sinceIndex };
  const begun = backend.keys.watch(
    Path,
    options,
    (event) => wait.take(event),
    () => wait.end(),
  );
  if (begun instanceof Promise) return begun.then((watcher) => wait.begin(watcher));
  wait.begin(begun);
  return undefined;
}

/** One client that waits. */
class Wait {
  readonly #backend: V2Backend;
  readonly #waits: Waits;
  readonly #exchange: Exchange;
  readonly #isStream: boolean;
  /** Undefined until the head has left: what happens before comes after it. */
  #watcher: Watcher | undefined;
  readonly #early: StoreEvent[] = [];
  #hasEndedEarly = false;
  /** Lines that the client is too slow for. */
  #queue: string[] | undefined;

  constructor(backend: V2Backend, waits: Waits, exchange: Exchange, isStream: boolean) {
    this.#backend = backend;
    this.#waits = waits;
    this.#exchange = exchange;
    this.#isStream = isStream;
  }

  begin(watcher: Watcher): void {
    const { response, headers } = this.#exchange;
    const { raftIndex, raftTerm } = this.#backend;
    this.#watcher = watcher;
    this.#waits.began(response);
    response.onClose = () => this.#forget();
    response.onDrain = () => this.#drain();
    response.head(200, {
      ...headers,
      "Content-Type": "application/json",
      "X-Etcd-Index": String(watcher.startIndex),
      "X-Raft-Index": String(raftIndex),
      "X-Raft-Term": String(raftTerm),
    });
    const { past } = watcher;
    // With something to write, if only nothing, the head leaves.
    if (past === undefined) response.write("");
    else this.take(past);
    for (const event of this.#early) this.take(event);
    if (this.#hasEndedEarly) this.end();
    if (response.closed) this.#forget();
  }

  take(event: StoreEvent): void {
    if (this.#watcher === undefined) {
      this.#early.push(event);
      return;
    }
    const { response } = this.#exchange;
    const line = this.#waits.lineOf(event);
    if (!this.#isStream) this.end(line);
    else if (this.#queue === undefined) {
      if (!response.write(line)) this.#queue = [];
    } else if (this.#queue.length < MAX_WAITING_EVENTS) this.#queue.push(line);
    else this.end();
  }

  end(line?: string): void {
    if (this.#watcher === undefined) {
      this.#hasEndedEarly = true;
      return;
    }
    this.#forget();
    this.#exchange.response.end(line);
  }

  #forget(): void {
    this.#waits.ended(this.#exchange.response);
    this.#watcher?.remove();
  }

  #drain(): void {
    const text = (this.#queue ?? []).join("");
    this.#queue = undefined;
    if (text !== "" && !this.#exchange.response.write(text)) this.#queue = [];
  }
}

/** All who wait on one member. */
export class Waits {
  readonly #open = new Set<HttpResponse>();
  #event: StoreEvent | undefined;
  #line = "";

  /** The member stops: a wait would keep it for as long as it lives. */
  endAll(): void {
    for (const response of this.#open) response.abort();
  }

  began(response: HttpResponse): void {
    this.#open.add(response);
  }

  ended(response: HttpResponse): void {
    this.#open.delete(response);
  }

  /** Encodes an event once for all who wait for it: they hear of it one after the other. */
  lineOf(event: StoreEvent): string {
    if (event !== this.#event) {
      this.#event = event;
      this.#line = `${eventJSON(event, KEYS_ROOT)}\n`;
    }
    return this.#line;
  }
}
