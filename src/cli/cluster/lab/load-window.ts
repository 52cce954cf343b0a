/**
 * A few seconds of a load, on keys of its own that did not exist before: what was asked, what was
 * answered, and whether that can be true. With keys of its own nothing of an earlier window, such as
 * a write whose outcome nobody knows, is part of the question.
 */
import type { LabTime } from "../../../lab/lab-protocol.ts";
import {
  checkRegister,
  type RegisterOperation,
  type RegisterOutcome,
  type RegisterVerdict,
} from "./register-history.ts";

/** Calls of one window; a load that is so fast gets its next window early. */
const MAX_WINDOW_OPERATIONS = 4000;

/** What is known when a call begins. */
type Call = Omit<RegisterOperation, "outcome">;

export class LoadWindow {
  readonly prefix: string;
  readonly beginMs: LabTime;
  readonly #ended = new Map<string, RegisterOperation[]>();
  readonly #open = new Map<Call, string>();
  #count = 0;

  constructor(prefix: string, beginMs: LabTime) {
    this.prefix = prefix;
    this.beginMs = beginMs;
  }

  get isFull(): boolean {
    return this.#count >= MAX_WINDOW_OPERATIONS;
  }

  /** Calls that are under way. */
  get open(): number {
    return this.#open.size;
  }

  /** Returns how the call is ended. */
  called(key: string, call: Call): (outcome: RegisterOutcome) => void {
    this.#count++;
    this.#open.set(call, key);
    return (outcome) => {
      this.#open.delete(call);
      this.#of(key).push({ ...call, outcome });
    };
  }

  /** Of all until now. What is under way may have happened; a read of it has told nothing yet. */
  verdict(): RegisterVerdict {
    let gaveUp: RegisterVerdict | undefined;
    for (const [key, ended] of this.#ended) {
      const underWay = [...this.#open]
        .filter(([{ put }, of]) => of === key && put !== undefined)
        .map(([call]) => ({
          ...call,
          outcome: { kind: "unknown", error: "under way" } as const,
        }));
      const verdict = checkRegister(key, [...ended, ...underWay]);
      if (verdict.kind === "violation") return verdict;
      if (verdict.kind === "gaveUp") gaveUp = verdict;
    }
    return gaveUp ?? { kind: "linearizable" };
  }

  #of(key: string): RegisterOperation[] {
    let operations = this.#ended.get(key);
    if (operations === undefined) this.#ended.set(key, (operations = []));
    return operations;
  }
}
