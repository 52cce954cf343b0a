/**
 * Waiting for a change: the head goes out at once, the event when it comes. A stream goes on until
 * the client leaves, or takes too little of it.
 */
import type { Request } from "../api/gen/etcdserver.ts";
import { eventJSON, KEYS_ROOT, type StoreEvent } from "../v2store/index.ts";
import type { HttpResponse } from "../env/http.ts";
import type { V2Backend } from "./backend.ts";
import type { Exchange } from "./reply.ts";

/** Events that wait for a slow reader of a stream, as in etcd; with one more the stream ends. */
const MAX_WAITING_EVENTS = 100;

/** Throws `V2Error` when the history does not reach back so far. */
export function serveWatch(
  backend: V2Backend,
  waits: Waits,
  exchange: Exchange,
  request: Request,
): void {
  const { response, headers } = exchange;
  const { Path, Recursive: isRecursive, Stream: isStream, Since: sinceIndex } = request;
  const { raftIndex, raftTerm } = backend;
  let queue: string[] | undefined;
  const forget = (): void => {
    waits.ended(response);
    watcher.remove();
  };
  const end = (line?: string): void => {
    forget();
    response.end(line);
  };
  const take = (event: StoreEvent): void => {
    const line = waits.lineOf(event);
    if (!isStream) end(line);
    else if (queue === undefined) {
      if (!response.write(line)) queue = [];
    } else if (queue.length < MAX_WAITING_EVENTS) queue.push(line);
    else end();
  };
  const options = { isRecursive, isStream, sinceIndex };
  const watcher = backend.keys.watch(Path, options, take);
  waits.began(response);
  response.onClose = forget;
  response.onDrain = () => {
    const waiting = queue ?? [];
    queue = undefined;
    const text = waiting.join("");
    if (text !== "" && !response.write(text)) queue = [];
  };
  response.head(200, {
    ...headers,
    "Content-Type": "application/json",
    "X-Etcd-Index": String(watcher.startIndex),
    "X-Raft-Index": String(raftIndex),
    "X-Raft-Term": String(raftTerm),
  });
  // With something to write, if only nothing, the head leaves.
  if (watcher.past === undefined) response.write("");
  else take(watcher.past);
  if (response.closed) forget();
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
