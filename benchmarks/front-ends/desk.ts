/** What the calls of another thread need of the desk that has taken them. */
import type { DeskSource } from "./desk-source.ts";
import type { Link } from "./link.ts";
import { TO_FRONT } from "./records.ts";

export interface Desk {
  readonly link: Link;
  /** Nothing more comes or goes under the slot. */
  leave(slot: number): void;
  replace(slot: number, source: DeskSource): void;
  /** Runs what the service left to be called; what it throws ends the call by `fail`. */
  guard(run: () => void, fail: (code: number, message: string) => void): void;
}

/** Says that a call has ended without an answer. */
export function sayGone(link: Link, slot: number): void {
  link.out.begin(TO_FRONT.gone, slot);
  link.flushSoon();
}
