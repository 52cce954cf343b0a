/**
 * Watches one range at one member over a raw stream of its own, and records what the server says,
 * without a client library between that hides repetitions. When the stream breaks, a new watch goes
 * on from the revision after the last.
 */
import { connect } from "node:net";
import { Event_EventType } from "../src/api/gen/kv.ts";
import { WatchCreateRequest, WatchRequest, WatchResponse } from "../src/api/gen/rpc.ts";
import { bytesFromUtf8, latin1FromBytes } from "../src/base/bytes.ts";
import { KeyValue } from "../src/client/key-value.ts";
import { ClientConnection, type ClientStream } from "../src/transport/client/connection.ts";
import {
  resumeRevision,
  type WatchEventSeen,
  type WatchRecord,
  type WatchResponseSeen,
} from "../src/checkers/watch-history.ts";
import { nowUs, seenOf } from "./recorder.ts";

/** Between a break and the next attempt. */
const RETRY_MS = 100;

export interface WatchTarget {
  readonly member: string;
  readonly port: number;
  readonly key: string;
  readonly end: string;
  readonly prevKV: boolean;
  /** Members before 3.4.25 answer requests for progress too early. */
  readonly mayAskProgress: boolean;
}

/** A record that still grows. */
type OpenRecord = {
  -readonly [Field in keyof WatchRecord]: WatchRecord[Field];
} & { responses: WatchResponseSeen[] };

let nextID = 0;

export class WatchRecorder {
  readonly records: OpenRecord[] = [];
  readonly #target: WatchTarget;
  #current: OpenRecord | undefined;
  #connection: ClientConnection | undefined;
  #stream: ClientStream | undefined;
  #fragments: WatchEventSeen[] = [];
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(target: WatchTarget) {
    this.#target = target;
    this.#open();
  }

  get member(): string {
    return this.#target.member;
  }

  /** The revision up to which everything was delivered for sure, by events or notices. */
  get lastRevision(): number {
    const last = this.records.findLast(({ responses }) => responses.length > 0)?.responses.at(-1);
    return last?.events.at(-1)?.modRevision ?? last?.revision ?? 0;
  }

  /** Breaks the stream on purpose; the next one goes on. */
  reopen(): void {
    this.#connection?.close();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#connection?.close();
  }

  #open(): void {
    const { port, member, key, end, prevKV } = this.#target;
    const before = this.records.at(-1);
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    socket.on("error", () => socket.destroy());
    const connection = new ClientConnection(socket, `127.0.0.1:${port}`, true, {
      keepaliveIntervalMs: 1000,
      keepaliveTimeoutMs: 1000,
      onClose: () => this.#retry(connection),
    });
    this.#connection = connection;
    const startRevision = this.#startAfter(before);
    const record: OpenRecord = {
      ...{ id: nextID++, member, key, end, prevKV, startRevision },
      createdRevision: undefined,
      resumes: before?.cancelled === undefined ? before?.id : undefined,
      responses: [],
    };
    this.#current = record;
    this.#fragments = [];
    const stream = connection.stream("/etcdserverpb.Watch/Watch", {
      onMessage: (body) => this.#onMessage(record, WatchResponse.decode(body.slice())),
      onEnd: () => connection.close(),
    });
    this.#stream = stream;
    const value = WatchCreateRequest.create({
      key: bytesFromUtf8(key),
      rangeEnd: bytesFromUtf8(end),
      startRevision: startRevision ?? 0,
      prevKv: prevKV,
      fragment: true,
    });
    const request = WatchRequest.create({ requestUnion: { case: "createRequest", value } });
    stream.send(WatchRequest.encode(request));
  }

  /** Behind what was delivered, or behind what was compacted. */
  #startAfter(before: OpenRecord | undefined): number | undefined {
    if (before === undefined) return undefined;
    const compacted = before.cancelled?.compactRevision ?? 0;
    return Math.max(resumeRevision(before) ?? 0, compacted) || before.startRevision;
  }

  #retry(connection: ClientConnection): void {
    if (this.#stopped || this.#connection !== connection) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#open(), RETRY_MS);
  }

  #onMessage(record: OpenRecord, message: WatchResponse): void {
    if (this.#current !== record) return;
    const time = nowUs();
    const revision = message.header?.revision ?? 0;
    if (message.created) {
      record.createdRevision = revision;
      this.records.push(record);
    }
    if (message.canceled) {
      record.cancelled = { time, compactRevision: message.compactRevision };
      this.#connection?.close();
      return;
    }
    if (message.created) return;
    this.#fragments.push(
      ...message.events.map(({ type, kv, prevKv }): WatchEventSeen => {
        const isPut = type !== Event_EventType.DELETE;
        return {
          type: isPut ? "put" : "delete",
          key: latin1FromBytes(kv?.key ?? new Uint8Array()),
          modRevision: kv?.modRevision ?? 0,
          kv: isPut && kv !== undefined ? seenOf(new KeyValue(kv)) : undefined,
          prevKV: prevKv === undefined ? undefined : seenOf(new KeyValue(prevKv)),
        };
      }),
    );
    if (message.fragment) return;
    record.responses.push({ time, revision, events: this.#fragments });
    this.#fragments = [];
  }

  /** Asks for a progress notice. */
  requestProgress(): void {
    if (!this.#target.mayAskProgress) return;
    const request = WatchRequest.create({ requestUnion: { case: "progressRequest", value: {} } });
    this.#stream?.send(WatchRequest.encode(request));
  }
}
