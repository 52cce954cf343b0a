/**
 * How many calls of the gateway run at a time. etcd's gateway is a gRPC client of its own server,
 * so `--max-concurrent-streams` bounds it, and further requests wait.
 */
export class CallSlots {
  #free: number;
  readonly #waiting = new Set<CallSlot>();
  /** Calls that end as soon as they start make room for more without one inside the other. */
  #entering = false;

  /** 0 and 4294967295 mean no limit, as for gRPC. */
  constructor(limit: number) {
    this.#free = limit === 0 || limit === UINT32_MAX ? Number.POSITIVE_INFINITY : limit;
  }

  slot(): CallSlot {
    return new CallSlot(this);
  }

  /** True when the slot may start at once. */
  take(slot: CallSlot): boolean {
    if (this.#free <= 0) {
      this.#waiting.add(slot);
      return false;
    }
    this.#free -= 1;
    return true;
  }

  giveUp(slot: CallSlot): void {
    this.#waiting.delete(slot);
  }

  give(): void {
    this.#free += 1;
    if (this.#entering) return;
    this.#entering = true;
    for (const slot of this.#waiting) {
      if (this.#free <= 0) break;
      this.#waiting.delete(slot);
      slot.enter();
    }
    this.#entering = false;
  }
}

const UINT32_MAX = 4_294_967_295;

/** One call's place. */
class CallSlot {
  readonly #slots: CallSlots;
  #state: "outside" | "waiting" | "inside" | "left" = "outside";
  #start: () => void = () => {};

  constructor(slots: CallSlots) {
    this.#slots = slots;
  }

  /** Calls `start` now or when others have left; never, if this one leaves before. */
  whenFree(start: () => void): void {
    this.#start = start;
    this.#state = "waiting";
    this.enter();
  }

  enter(): void {
    if (this.#state !== "waiting" || !this.#slots.take(this)) return;
    this.#state = "inside";
    this.#start();
  }

  /** Harmless when it has been called before. */
  leave(): void {
    const before = this.#state;
    this.#state = "left";
    if (before === "inside") this.#slots.give();
    else if (before === "waiting") this.#slots.giveUp(this);
  }
}
