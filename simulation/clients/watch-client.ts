/**
 * A client that watches, and opens its watch again where it ended, at any member. Now and then it
 * stops reading, and now and then it turns to another range.
 */
import {
  WatchCancelRequest,
  WatchCreateRequest,
  WatchCreateRequest_FilterType,
  WatchProgressRequest,
  WatchRequest,
  WatchResponse,
} from "../../src/api/gen/rpc.ts";
import { Event_EventType, type Event } from "../../src/api/gen/kv.ts";
import { METHOD } from "../../src/api/rpc-table.ts";
import { bytesFromLatin1, latin1FromBytes } from "../../src/base/bytes.ts";
import type { Revision } from "../../src/base/ids.ts";
import type { SeededRandom } from "../../src/env/testing/index.ts";
import {
  resumeRevision,
  type WatchEventSeen,
  type WatchRecord,
  type WatchResponseSeen,
} from "../../src/checkers/watch-history.ts";
import type { Member } from "../../src/testing/world/member.ts";
import { keyValueSeen } from "./kv-codec.ts";
import type { Port, StreamPort } from "./port.ts";
import type { Recorder } from "./recorder.ts";

export interface WatchClientOptions {
  readonly port: Port;
  readonly recorder: Recorder;
  readonly random: SeededRandom;
  readonly member: () => Member | undefined;
  readonly isOver: () => boolean;
}

type Range = Pick<WatchRecord, "key" | "end" | "prevKV" | "filters">;
type OpenRecord = { -readonly [K in keyof WatchRecord]: WatchRecord[K] } & {
  readonly responses: WatchResponseSeen[];
};

/** Start revisions are this far around the newest one. */
const START_SPREAD = 40;
const RETRY_MS = 50;
const STEP_MS = { min: 50, max: 1500 };
/** Watches beside the first one of a stream, at a time. */
const MAX_OTHERS = 3;
/** Of the stream's first watch. */
const FIRST_ID = 1;
/** As the server says of a progress notice for all watches of a stream. */
const ALL_WATCHES = -1;

/** A stream with its watches; the first one is gone on with when the stream has ended. */
interface Opened {
  readonly record: OpenRecord;
  readonly stream: StreamPort;
  /** By id; without those that have ended. */
  readonly watches: Map<number, OpenRecord>;
  /** Ids that the client has asked to cancel. */
  readonly cancelling: Set<number>;
  /** The highest id so far. */
  lastID: number;
}

export class WatchClient {
  readonly #options: WatchClientOptions;
  #isSettled = false;
  #current: Opened | undefined;

  constructor(options: WatchClientOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { random, port, isOver } = this.#options;
    const { scheduler } = port.world;
    let before: OpenRecord | undefined;
    while (!isOver()) {
      const member = this.#options.member();
      const opened = member === undefined ? undefined : this.#open(member, before);
      if (opened === undefined) {
        await scheduler.sleep(RETRY_MS);
        continue;
      }
      this.#current = opened;
      while (opened.stream.isOpen && opened.record.cancelled === undefined && !isOver()) {
        await scheduler.sleep(random.between(STEP_MS.min, STEP_MS.max));
        await this.#disturb(opened);
      }
      before = opened.record.cancelled === undefined ? opened.record : undefined;
      if (isOver()) break;
      opened.stream.close();
    }
  }

  /** From now on it only reads, so that it can be judged what it was told. */
  settle(): void {
    this.#isSettled = true;
    this.#current?.stream.read();
  }

  /** Everything up to `revision` had to be delivered by now. */
  completeTo(revision: Revision): void {
    const { watches, stream, cancelling } = this.#current ?? {};
    if (watches === undefined || stream?.isOpen !== true) return;
    const { world } = this.#options.port;
    for (const [id, record] of watches) {
      // A member that was removed tells nothing any more.
      if (!world.active.some(({ name }) => name === record.member)) continue;
      if (record.createdRevision === undefined || cancelling?.has(id) === true) continue;
      record.completeTo = revision;
    }
  }

  async #disturb(opened: Opened): Promise<void> {
    const { stream } = opened;
    const { random, port } = this.#options;
    if (this.#isSettled) return;
    const dice = random.below(20);
    if (dice === 0) {
      stream.stall();
      await port.world.scheduler.sleep(random.between(100, 3000));
      stream.read();
    } else if (dice < 4) {
      const request = WatchRequest.create({
        requestUnion: { case: "progressRequest", value: WatchProgressRequest.create() },
      });
      stream.send(WatchRequest.encode(request));
    } else if (dice === 4) stream.close();
    else if (dice < 8 && opened.watches.size <= MAX_OTHERS) this.#watchMore(opened);
    else if (dice < 11) this.#cancelOne(opened);
  }

  #watchMore(opened: Opened): void {
    const record = this.#newRecord(opened.record.member ?? "", this.#range());
    record.startRevision = this.#startRevision();
    this.#create(opened, ++opened.lastID, record);
  }

  #cancelOne(opened: Opened): void {
    const { watches, cancelling, stream } = opened;
    const others = [...watches.keys()].filter((id) => id !== FIRST_ID && !cancelling.has(id));
    if (others.length === 0) return;
    const watchId = this.#options.random.pick(others);
    cancelling.add(watchId);
    const value = WatchCancelRequest.create({ watchId });
    const request = WatchRequest.create({ requestUnion: { case: "cancelRequest", value } });
    stream.send(WatchRequest.encode(request));
  }

  #create({ stream, watches }: Pick<Opened, "stream" | "watches">, id: number, record: OpenRecord) {
    watches.set(id, record);
    this.#options.recorder.watches.push(record);
    stream.send(encodeCreate(record, id));
  }

  #newRecord(member: string, { key, end, prevKV, filters }: Range): OpenRecord {
    return {
      id: this.#options.recorder.nextID(),
      member,
      key,
      end,
      prevKV,
      filters,
      startRevision: undefined,
      createdRevision: undefined,
      resumes: undefined,
      responses: [],
    };
  }

  #open(member: Member, before: OpenRecord | undefined): Opened | undefined {
    const { random, port } = this.#options;
    const resume = before === undefined ? undefined : resumeRevision(before);
    const goesOn = before !== undefined && resume !== undefined && random.chance(0.85);
    const record = this.#newRecord(member.name, goesOn ? before : this.#range());
    record.startRevision = goesOn ? resume : this.#startRevision();
    if (goesOn) record.resumes = before.id;
    const watches = new Map<number, OpenRecord>();
    const cancelling = new Set<number>();
    const stream: StreamPort | undefined = port.open(member, METHOD.Watch, {
      message: (body) => {
        const response = WatchResponse.decode(body);
        // Whoever may not watch, or not any more, begins anew as after a lost connection.
        if (port.login?.heard(response.cancelReason) === true) stream?.close();
        else this.#receive({ watches, cancelling }, response);
      },
      end: () => undefined,
    });
    if (stream === undefined) return undefined;
    this.#create({ stream, watches }, FIRST_ID, record);
    return { record, stream, watches, cancelling, lastID: FIRST_ID };
  }

  #range(): Range {
    const { random } = this.#options;
    const whole = random.chance(0.6);
    return {
      key: whole ? "k" : `k${random.below(6)}`,
      end: whole ? "m" : undefined,
      prevKV: random.chance(0.4),
      filters: random.chance(0.8) ? [] : [random.chance(0.5) ? "noPut" : "noDelete"],
    };
  }

  #startRevision(): Revision | undefined {
    const { random, recorder } = this.#options;
    if (random.chance(0.4)) return undefined;
    // Where clients begin that were told how far history is compacted.
    const compacted = recorder.compactions.at(-1)?.revision;
    if (compacted !== undefined && random.chance(0.4)) return compacted;
    const offset = random.between(-START_SPREAD, START_SPREAD);
    return Math.max(1, recorder.maxRevision + offset);
  }

  #receive(
    { watches, cancelling }: Pick<Opened, "watches" | "cancelling">,
    response: WatchResponse,
  ): void {
    const { port } = this.#options;
    const { watchId } = response;
    if (watchId === ALL_WATCHES && !response.canceled) {
      // Those that the member has not heard of yet are not meant.
      for (const record of watches.values()) {
        if (record.createdRevision !== undefined) this.#note(record, response);
      }
      return;
    }
    const record = watches.get(watchId);
    if (record === undefined) port.world.violated(`a watch that has ended got more: ${watchId}`);
    else if (!response.canceled) this.#note(record, response);
    else {
      watches.delete(watchId);
      // Whom the client gives up may just as well have ended by itself.
      if (cancelling.has(watchId) && response.compactRevision === 0) return;
      const { compactRevision } = response;
      record.cancelled = { time: this.#options.recorder.time(), compactRevision };
    }
  }

  #note(record: OpenRecord, response: WatchResponse): void {
    const { recorder, port } = this.#options;
    const revision = response.header?.revision ?? 0;
    if (response.created) {
      record.createdRevision = revision;
      return;
    }
    const time = recorder.time();
    const events = response.events.map(eventSeen);
    record.responses.push({ time, revision, events });
    for (let i = 0; i < events.length; i++) port.world.count("watch event");
    if (events.length === 0) port.world.count("watch progress");
  }
}

function encodeCreate(record: WatchRecord, watchId: number): Uint8Array {
  const value = WatchCreateRequest.create({
    key: bytesFromLatin1(record.key),
    rangeEnd: bytesFromLatin1(record.end ?? ""),
    startRevision: record.startRevision ?? 0,
    prevKv: record.prevKV ?? false,
    progressNotify: true,
    watchId,
    filters: (record.filters ?? []).map((filter) =>
      filter === "noPut"
        ? WatchCreateRequest_FilterType.NOPUT
        : WatchCreateRequest_FilterType.NODELETE,
    ),
  });
  const request = WatchRequest.create({ requestUnion: { case: "createRequest", value } });
  return WatchRequest.encode(request);
}

function eventSeen({ type, kv, prevKv }: Event): WatchEventSeen {
  const isPut = type === Event_EventType.PUT;
  return {
    type: isPut ? "put" : "delete",
    key: kv === undefined ? "" : latin1FromBytes(kv.key),
    modRevision: kv?.modRevision ?? 0,
    kv: isPut && kv !== undefined ? keyValueSeen(kv) : undefined,
    prevKV: prevKv === undefined ? undefined : keyValueSeen(prevKv),
  };
}
