/** What a watch yields. */
import { type Event, Event_EventType } from "../../api/gen/kv.ts";
import type { Revision } from "../../base/ids.ts";
import { type JsonObject, toJsonObject } from "../json.ts";
import { KeyValue } from "../key-value.ts";

/** One change of one key. */
export class WatchEvent {
  readonly type: "put" | "delete";
  /** The key after the change; of a deleted key only `key` and `modRevision` are set. */
  readonly kv: KeyValue;
  /** The key before the change, if asked for with `prevKV` and not compacted. */
  readonly prevKV: KeyValue | undefined;

  constructor(raw: Event) {
    if (raw.kv === undefined) throw new TypeError("the server sent an event without a key");
    this.type = raw.type === Event_EventType.DELETE ? "delete" : "put";
    this.kv = new KeyValue(raw.kv);
    this.prevKV = raw.prevKv === undefined ? undefined : new KeyValue(raw.prevKv);
  }

  /** For `JSON.stringify`: bytes as base64, leases as decimal text. */
  toJSON(): JsonObject {
    return toJsonObject(this);
  }

  /** The key did not exist before. */
  get isCreate(): boolean {
    return this.type === "put" && this.kv.createRevision === this.kv.modRevision;
  }

  /** The key existed, and has a new value. */
  get isModify(): boolean {
    return this.type === "put" && this.kv.createRevision !== this.kv.modRevision;
  }
}

/**
 * Events of one or more whole revisions, in order. Without events it is a progress notice: every
 * event up to `revision` has been yielded before.
 */
export class WatchResponse {
  /** Revision of the store when the server sent this. */
  readonly revision: Revision;
  readonly events: readonly WatchEvent[];

  constructor(revision: Revision, events: readonly WatchEvent[]) {
    this.revision = revision;
    this.events = events;
  }

  get isProgress(): boolean {
    return this.events.length === 0;
  }

  /** For `JSON.stringify`, as the events'. */
  toJSON(): JsonObject {
    return toJsonObject(this);
  }
}
