/**
 * Histories as a correct cluster would give them: several clients at a time, each request taking
 * effect on one model at a moment between its call and its return. Some are refused, some never
 * answered. Watches see what the model did. Everything follows from a seed.
 */
import { SeededRandom } from "../../env/testing/index.ts";
import {
  type CompareRequest,
  type KeyValueSeen,
  type KVRequest,
  mayWrite,
  type Operation,
  type OperationRequest,
  type Outcome,
} from "../history.ts";
import { KVModel, type ModelEvent } from "../kv-model.ts";
import type { LinearizedWrite } from "../linearizability.ts";
import type { WatchEventSeen, WatchRecord, WatchResponseSeen } from "../watch-history.ts";

export interface RandomHistoryOptions {
  readonly seed: number;
  readonly clients: number;
  readonly operations: number;
  readonly keys: number;
  /** Of 100 requests, how many are never answered. */
  readonly unknownPercent: number;
  /** Each put has a value of its own; else values repeat, which hides more. Default true. */
  readonly uniqueValues?: boolean;
}

export interface RandomHistory {
  readonly history: readonly Operation[];
  readonly writes: readonly LinearizedWrite[];
  readonly watches: readonly WatchRecord[];
}

/** A request on its way. */
interface Pending {
  readonly id: number;
  readonly clientID: number;
  readonly request: OperationRequest;
  readonly callTime: number;
  readonly effectTime: number;
  readonly returnTime: number;
  readonly fate: "answered" | "refused" | "lost" | "unanswered";
}

const LEASES = ["a", "b"];
const FIRST_REVISION = 1;

export function randomHistory(options: RandomHistoryOptions): RandomHistory {
  const random = new SeededRandom(options.seed);
  const requests = new RequestMaker(random, options);
  const pending: Pending[] = [];
  const freeAt = Array.from({ length: options.clients }, () => 0);
  for (let id = 0; id < options.operations; id++) {
    const clientID = random.below(options.clients);
    const callTime = (freeAt[clientID] as number) + random.below(20);
    const effectTime = callTime + 1 + random.below(50);
    const returnTime = effectTime + 1 + random.below(50);
    freeAt[clientID] = returnTime + 1;
    const isLost = random.below(100) < options.unknownPercent;
    const fate = isLost
      ? (["lost", "unanswered"] as const)[random.below(2)]
      : random.below(50) === 0
        ? "refused"
        : "answered";
    // What nobody waits for may happen much later.
    const delay = fate === "unanswered" ? random.below(400) : 0;
    const request = requests.next();
    pending.push({
      ...{ id, clientID, request, callTime, returnTime },
      effectTime: effectTime + delay,
      fate: fate ?? "lost",
    });
  }
  return takeEffect(pending, random);
}

function takeEffect(pending: readonly Pending[], random: SeededRandom): RandomHistory {
  const model = new KVModel();
  const states: KeyValueSeen[][] = [];
  const history: Operation[] = [];
  const writes: LinearizedWrite[] = [];
  for (const each of [...pending].sort((a, b) => a.effectTime - b.effectTime)) {
    const { id, clientID, callTime, returnTime, fate } = each;
    states[model.revision] = [...model.state().kvs];
    const request = maybeOld(each.request, model.revision, random);
    const base = { id, clientID, callTime, request };
    let outcome: Outcome;
    if (fate === "refused") outcome = { kind: "failed", returnTime, error: "refused" };
    else if (fate === "lost" || (fate === "unanswered" && !mayWrite(request))) {
      outcome = { kind: "unknown", error: "lost" };
    } else if (request.kind === "get" && (request.serializable === true || request.revision)) {
      const revision = request.revision ?? FIRST_REVISION + random.below(model.revision);
      const past = new KVModel({ revision, kvs: states[revision] ?? [] });
      const { result } = past.apply(request);
      const header = request.revision === undefined ? revision : model.revision;
      outcome = { kind: "ok", returnTime, revision: header, result };
    } else {
      const { result, events } = model.apply(request);
      outcome =
        fate === "unanswered"
          ? { kind: "unknown", error: "timeout" }
          : { kind: "ok", returnTime, revision: model.revision, result };
      if (events.length > 0) {
        const operation = { ...base, outcome };
        writes.push({ revision: model.revision, operation, events });
      }
    }
    history.push({ ...base, outcome });
  }
  return { history, writes, watches: randomWatches(writes, random) };
}

/** Some gets ask for an old revision, or for any state. */
function maybeOld(
  request: OperationRequest,
  revision: number,
  random: SeededRandom,
): OperationRequest {
  if (request.kind !== "get") return request;
  const choice = random.below(10);
  if (choice === 0) return { ...request, serializable: true };
  if (choice === 1) return { ...request, revision: FIRST_REVISION + random.below(revision) };
  return request;
}

class RequestMaker {
  readonly #random: SeededRandom;
  readonly #keys: number;
  readonly #uniqueValues: boolean;
  #count = 0;

  constructor(random: SeededRandom, { keys, uniqueValues }: RandomHistoryOptions) {
    this.#random = random;
    this.#keys = keys;
    this.#uniqueValues = uniqueValues ?? true;
  }

  next(): OperationRequest {
    const choice = this.#random.below(20);
    if (choice === 0) return { kind: "revoke", lease: this.#lease() };
    if (choice < 5) return this.#txn();
    return this.#simple(this.#key());
  }

  #key(): string {
    return `k${this.#random.below(this.#keys)}`;
  }

  #lease(): string {
    return LEASES[this.#random.below(LEASES.length)] ?? "a";
  }

  #simple(key: string): KVRequest {
    const choice = this.#random.below(10);
    const prevKV = this.#random.below(3) === 0;
    if (choice < 4) return this.#get(key);
    if (choice < 9) {
      const value = `v${this.#uniqueValues ? this.#count++ : this.#random.below(2)}`;
      const lease = this.#random.below(5) === 0 ? this.#lease() : "";
      return { kind: "put", key, value, lease, prevKV };
    }
    const end = this.#random.below(3) === 0 ? "l" : undefined;
    return { kind: "delete", key, end, prevKV };
  }

  #get(key: string): KVRequest {
    const isRange = this.#random.below(3) === 0;
    return { kind: "get", key, end: isRange ? "l" : undefined, limit: isRange ? 2 : undefined };
  }

  #txn(): KVRequest {
    const compares: CompareRequest[] = [];
    const key = this.#key();
    if (this.#random.below(4) > 0) {
      compares.push(
        this.#random.below(2) === 0
          ? { key, target: "version", relation: ">", operand: this.#random.below(3) }
          : { key, target: "createRevision", relation: "=", operand: 0 },
      );
    }
    return { kind: "txn", compares, success: this.#branch(), failure: this.#branch() };
  }

  /** At most one change of each key, as etcd demands. */
  #branch(): KVRequest[] {
    const keys = new Set([this.#key(), this.#key()]);
    return [...keys].map((key) => {
      const request = this.#simple(key);
      return request.kind === "delete" ? { ...request, end: undefined } : request;
    });
  }
}

/** Three kinds of watches over everything that happened. */
function randomWatches(writes: readonly LinearizedWrite[], random: SeededRandom): WatchRecord[] {
  const last = FIRST_REVISION + writes.length;
  const half = FIRST_REVISION + Math.floor(writes.length / 2);
  const all = { key: "k", end: "l", createdRevision: FIRST_REVISION, completeTo: last };
  const watch = (record: Omit<WatchRecord, "responses">): WatchRecord => ({
    ...record,
    responses: responsesOf(record, writes, random),
  });
  const until = { ...all, startRevision: 2, completeTo: half };
  return [
    watch({ ...all, id: 0, prevKV: true }),
    watch({ ...all, id: 1, filters: ["noDelete"], key: "k1", end: undefined }),
    watch({ ...until, id: 2 }),
    watch({ ...all, id: 3, startRevision: half + 1, createdRevision: half, resumes: 2 }),
  ];
}

function responsesOf(
  watch: Omit<WatchRecord, "responses">,
  writes: readonly LinearizedWrite[],
  random: SeededRandom,
): WatchResponseSeen[] {
  const start = watch.startRevision ?? FIRST_REVISION + 1;
  const responses: WatchResponseSeen[] = [];
  let events: readonly WatchEventSeen[] = [];
  for (const write of writes) {
    const { revision } = write;
    if (revision < start || revision > (watch.completeTo ?? 0)) continue;
    const asked = write.events.filter((each) => isAsked(watch, each));
    events = [...events, ...asked.map((each) => toSeen(each, revision, watch.prevKV === true))];
    const isLast = revision === watch.completeTo;
    if (events.length > 0 && (isLast || random.below(3) > 0)) {
      responses.push({ time: revision, revision, events });
      events = [];
    }
    if (events.length === 0 && (isLast || random.below(6) === 0)) {
      responses.push({ time: revision, revision, events: [] });
    }
  }
  return responses;
}

function toSeen(
  { type, key, kv, prev }: ModelEvent,
  modRevision: number,
  withPrevious: boolean,
): WatchEventSeen {
  return { type, key, modRevision, kv, prevKV: withPrevious ? prev : undefined };
}

function isAsked(
  { key, end, filters }: Omit<WatchRecord, "responses">,
  event: ModelEvent,
): boolean {
  const isInside = end === undefined ? event.key === key : event.key >= key && event.key < end;
  const filter = event.type === "put" ? "noPut" : "noDelete";
  return isInside && filters?.includes(filter) !== true;
}
