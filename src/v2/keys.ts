/** `/v2/keys`: keys and directories, and waiting for their changes. */
import type { Request } from "../api/gen/etcdserver.ts";
import { formatID } from "../base/ids.ts";
import type { HttpRequest, HttpResponse } from "../env/http.ts";
import type { Headers } from "../gateway/index.ts";
import { eventJSON, isCreation, KEYS_ROOT, type StoreEvent } from "../v2store/index.ts";
import { V2_CODE, V2Error } from "../v2store/index.ts";
import type { Access } from "./access.ts";
import type { V2Backend } from "./backend.ts";
import { Expirations } from "./expiration.ts";
import { Form, readForm } from "./form.ts";
import { readKeyRequest } from "./key-request.ts";
import { serveWatch, Waits } from "./key-watch.ts";
import { allowMethods, type Exchange, sendJSON, sendKeyError, statusOf } from "./reply.ts";
import { registerV2HttpMetrics, type V2HttpCounters } from "./v2-http-metrics.ts";

export const KEYS_PREFIX = "/v2/keys";

const METHODS = ["HEAD", "GET", "PUT", "POST", "DELETE"];

/** Actions of which a client may ask to be told nothing but that they were done. */
const SILENCED: ReadonlySet<string> = new Set(["set", "compareAndSwap", "create", "update"]);

export class KeysHandler {
  readonly #backend: V2Backend;
  readonly #access: Access;
  readonly #expirations: Expirations;
  readonly #waits = new Waits();
  /** Of every answer. */
  readonly #headers: Headers;
  readonly #counters: V2HttpCounters;

  constructor(backend: V2Backend, access: Access) {
    this.#backend = backend;
    this.#access = access;
    this.#expirations = new Expirations(backend.wallMs);
    this.#headers = { "X-Etcd-Cluster-Id": formatID(backend.clusterID) };
    this.#counters = registerV2HttpMetrics(backend.metrics);
    backend.draining.addEventListener("abort", () => this.#waits.endAll(), { once: true });
  }

  /** `path` is clean. */
  async serve(path: string, request: HttpRequest, response: HttpResponse): Promise<void> {
    if (!allowMethods(request, response, METHODS)) return;
    const exchange: Exchange = { request, response, headers: this.#headers };
    try {
      await this.#serve(exchange, path.slice(KEYS_PREFIX.length));
    } catch (error) {
      sendKeyError(exchange, error, KEYS_ROOT);
    }
  }

  /** Waits only for what is not at hand: a read without a body is answered in one stretch. */
  async #serve(exchange: Exchange, key: string): Promise<void> {
    const startMs = this.#backend.nowMs();
    const { method } = exchange.request;
    const form = readForm(exchange.request);
    const { request, isWithoutValue } = readKeyRequest(
      method,
      key,
      form instanceof Form ? form : await form,
      (ttl) => this.#expirations.after(ttl),
    );
    const access = this.#access.toKey(exchange.request, key, request.Recursive);
    if (access !== true && !(await access)) {
      throw new V2Error(V2_CODE.unauthorized, "Insufficient credentials");
    }
    const { Method, Wait } = request;
    if (!Wait) this.#counters.received.of(Method).add();
    try {
      if (Wait && Method === "GET") {
        const begun = serveWatch(this.#backend, this.#waits, exchange, request);
        if (begun !== undefined) await begun;
        return;
      }
      const done = this.#do(request);
      this.#answer(exchange, done instanceof Promise ? await done : done, isWithoutValue);
      const seconds = (this.#backend.nowMs() - startMs) / 1000;
      this.#counters.duration.of(Method).observe(seconds);
    } catch (error) {
      this.#counters.failed.of(Method, String(statusOf(error))).add();
      throw error;
    }
  }

  /** A read of the store of this moment is at hand. */
  #do(request: Request): StoreEvent | Promise<StoreEvent> {
    const { Method, Path, Recursive: isRecursive, Sorted: isSorted } = request;
    if (Method === "GET" || Method === "HEAD") {
      return this.#backend.keys.get(Path, { isRecursive, isSorted });
    }
    return this.#propose(request);
  }

  async #propose(request: Request): Promise<StoreEvent> {
    const event = await this.#backend.propose(request);
    if (event !== undefined) return event;
    throw new V2Error(V2_CODE.raftInternal, "received response with no Event/Watcher");
  }

  #answer(exchange: Exchange, event: StoreEvent, isWithoutValue: boolean): void {
    const isSilent = isWithoutValue && SILENCED.has(event.action);
    const json = isSilent ? `{"action":"${event.action}"}` : eventJSON(event, KEYS_ROOT);
    const { raftIndex, raftTerm } = this.#backend;
    sendJSON(exchange, isCreation(event) ? 201 : 200, `${json}\n`, {
      "X-Etcd-Index": String(event.storeIndex),
      "X-Raft-Index": String(raftIndex),
      "X-Raft-Term": String(raftTerm),
    });
  }
}
