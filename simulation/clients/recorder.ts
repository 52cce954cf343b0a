/** Keeps what clients asked and were told, in the form that the checkers read. */
import type { Revision } from "../../src/base/ids.ts";
import type { Operation, OperationRequest, Outcome, Time } from "../../src/checkers/history.ts";
import type { CompactionSeen, WatchRecord } from "../../src/checkers/watch-history.ts";

/** Tells two moments apart that have the same virtual time. */
const MOMENT_MS = 1e-6;

interface Open {
  readonly id: number;
  readonly clientID: number;
  readonly member: string;
  readonly request: OperationRequest;
  readonly callTime: Time;
}

export class Recorder {
  readonly operations: Operation[] = [];
  readonly watches: WatchRecord[] = [];
  readonly compactions: CompactionSeen[] = [];
  /** Revision of the last deletion that a client was told of. */
  lastDeletion: Revision = 0;
  /** Highest revision that any client was told. */
  maxRevision: Revision = 1;
  readonly #now: () => number;
  #lastTime: Time = 0;
  #ids = 0;
  readonly #open = new Map<number, Open>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Later than every time before. */
  time(): Time {
    this.#lastTime = Math.max(this.#lastTime + MOMENT_MS, this.#now());
    return this.#lastTime;
  }

  nextID(): number {
    return ++this.#ids;
  }

  called(clientID: number, member: string, request: OperationRequest): number {
    const id = this.nextID();
    this.#open.set(id, { id, clientID, member, request, callTime: this.time() });
    return id;
  }

  returned(id: number, outcome: Outcome): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    this.#open.delete(id);
    this.operations.push({ ...open, outcome });
    if (outcome.kind !== "ok") return;
    this.sawRevision(outcome.revision);
    const { result } = outcome;
    if (result.kind === "delete" && result.deleted > 0) this.lastDeletion = outcome.revision;
  }

  sawRevision(revision: Revision): void {
    if (revision > this.maxRevision) this.maxRevision = revision;
  }

  /** What the cluster may have done by itself from `callTime` on. */
  mayHappen(request: OperationRequest, callTime: Time): void {
    this.operations.push({
      id: this.nextID(),
      clientID: 0,
      request,
      callTime,
      outcome: { kind: "unknown", error: "done by the cluster" },
    });
  }

  /** Calls that were never answered. */
  closeAll(): void {
    for (const open of this.#open.values()) {
      this.operations.push({ ...open, outcome: { kind: "unknown", error: "the run ended" } });
    }
    this.#open.clear();
  }
}
