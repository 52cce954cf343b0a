/** A watch stream's client in memory: keeps what it gets, and is congested when told so. */

import type { Event } from "../../api/gen/kv.ts";
import { WatchResponse } from "../../api/gen/rpc.ts";
import { latin1FromBytes } from "../../base/bytes.ts";
import type { WatchInfo, WatchSink } from "../watch/watcher.ts";
import { type TextKeyValue, textOfKeyValue } from "./harness.ts";

export interface SeenEvent {
  readonly type: "put" | "delete";
  readonly key: string;
  readonly revision: number;
  readonly kv: TextKeyValue | undefined;
  readonly previous: TextKeyValue | undefined;
}

export type Seen =
  | {
      readonly kind: "events";
      readonly watchID: number;
      readonly revision: number;
      readonly events: readonly SeenEvent[];
    }
  | { readonly kind: "compacted"; readonly watchID: number; readonly compactRevision: number }
  | { readonly kind: "progress"; readonly watchID: number; readonly revision: number };

export class TestSink implements WatchSink {
  congested = false;
  seen: Seen[] = [];
  /** The same bytes as the messages, to see what is shared. */
  readonly slices: Uint8Array[] = [];
  /** How many watches each call of `deliverEach` served. */
  readonly runs: number[] = [];

  deliver(watch: WatchInfo, revision: number, slices: readonly Uint8Array[]): boolean {
    if (this.congested) return false;
    this.slices.push(...slices);
    const { events } = WatchResponse.decode(Buffer.concat(slices));
    this.seen.push({ kind: "events", watchID: watch.id, revision, events: events.map(seenEvent) });
    return true;
  }

  deliverEach(
    watches: readonly WatchInfo[],
    from: number,
    to: number,
    revision: number,
    event: Uint8Array,
  ): number {
    let at = from;
    while (at < to && this.deliver(watches[at] as WatchInfo, revision, [event])) at++;
    this.runs.push(at - from);
    return at;
  }

  compacted(watchID: number, compactRevision: number): boolean {
    if (this.congested) return false;
    this.seen.push({ kind: "compacted", watchID, compactRevision });
    return true;
  }

  progress(watchID: number, revision: number): void {
    this.seen.push({ kind: "progress", watchID, revision });
  }

  take(): Seen[] {
    return this.seen.splice(0);
  }

  /** The events since the last call, as "revision type key". */
  takeEvents(): string[] {
    return this.take().flatMap((item) =>
      item.kind === "events"
        ? item.events.map((event) => `${event.revision} ${event.type} ${event.key}`)
        : [],
    );
  }
}

function seenEvent(event: Event): SeenEvent {
  const kv = event.kv;
  if (kv === undefined) throw new Error("an event without kv");
  const previous = event.prevKv === undefined ? undefined : textOfKeyValue(event.prevKv);
  const type = event.type === 0 ? "put" : "delete";
  const text = type === "put" ? textOfKeyValue(kv) : undefined;
  return { type, key: latin1FromBytes(kv.key), revision: kv.modRevision, kv: text, previous };
}
