/**
 * From open to finished: draining, going away, failing (RFC 9113 6.8). One object holds the state,
 * and only it changes it.
 */
import { DRAIN_PING_TIMEOUT_MS } from "../limits.ts";
import type { ConnectionHost } from "./connection-host.ts";
import { CANCEL, NO_ERROR } from "./constants.ts";
import type { FrameWriter } from "./frame-writer.ts";
import type { StreamTable } from "./stream-table.ts";

type ConnectionState =
  | { readonly kind: "open" }
  /** Server: said GOAWAY that names no stream; requests on their way may arrive for a round trip. */
  | { readonly kind: "draining"; readonly sinceMs: number }
  /** No new streams, and finished once there are none. Requests above `lastId` are ignored. */
  | { readonly kind: "goingAway"; readonly lastId: number }
  /** Nothing is parsed or sent any more. `well`: after all streams were, not by an error. */
  | { readonly kind: "finished"; readonly well: boolean };

const OPEN: ConnectionState = { kind: "open" };
const DRAIN_PING = Buffer.from("\x01drain\x02\x03", "latin1");
/** RFC 9113 6.8: a GOAWAY that names no stream. */
const ANY_STREAM = 0x7fff_ffff;

export class Lifecycle {
  readonly #isServer: boolean;
  readonly #host: ConnectionHost;
  readonly #frames: FrameWriter;
  readonly #streams: StreamTable;
  /** Ends all streams with this code. */
  readonly #dropStreams: (code: number) => void;
  #state: ConnectionState = OPEN;

  constructor(
    isServer: boolean,
    host: ConnectionHost,
    frames: FrameWriter,
    streams: StreamTable,
    dropStreams: (code: number) => void,
  ) {
    this.#isServer = isServer;
    this.#host = host;
    this.#frames = frames;
    this.#streams = streams;
    this.#dropStreams = dropStreams;
  }

  get finished(): boolean {
    return this.#state.kind === "finished";
  }

  get endedWell(): boolean {
    return this.#state.kind === "finished" && this.#state.well;
  }

  /** This side opens no more streams. */
  get closing(): boolean {
    return this.#state.kind === "goingAway" || this.#state.kind === "finished";
  }

  /** Server: too late for a request with this id, as the final GOAWAY said. */
  ignores(id: number): boolean {
    return this.#state.kind === "goingAway" && id > this.#state.lastId;
  }

  /** The highest stream of the peer that is or was dealt with; clients accept none. */
  get #lastPeerId(): number {
    if (this.#state.kind === "goingAway") return this.#state.lastId;
    return this.#isServer ? this.#streams.lastId : 0;
  }

  /** A connection error: GOAWAY, then nothing more. */
  fail(code: number, reason: string): void {
    if (this.finished) return;
    const lastId = this.#lastPeerId;
    this.#state = { kind: "finished", well: false };
    this.#frames.goaway(lastId, code, reason);
    this.#host.onFinished(code, reason);
    this.#dropStreams(code);
  }

  /** The socket has closed. */
  socketClosed(): void {
    if (this.finished) return;
    this.#state = { kind: "finished", well: false };
    this.#host.onFinished(NO_ERROR, "connection closed");
    this.#dropStreams(CANCEL);
  }

  /**
   * Starts a graceful end. Server: GOAWAY that names no stream, one round trip for requests on
   * their way, then the final GOAWAY. Finished once the open streams are.
   */
  drain(nowMs: number): void {
    if (this.#state.kind !== "open") return;
    if (!this.#isServer) {
      this.goAway();
      this.finishIfDrained();
      return;
    }
    this.#state = { kind: "draining", sinceMs: nowMs };
    this.#frames.goaway(ANY_STREAM, NO_ERROR, "");
    this.#frames.ping(DRAIN_PING, 0);
  }

  /** An acknowledged ping was ours: the round trip of the drain is over. */
  acknowledged(payload: Buffer): boolean {
    if (this.#state.kind !== "draining" || !DRAIN_PING.equals(payload)) return false;
    this.#finalGoaway();
    return true;
  }

  /** Waits for the acknowledgement only so long. */
  tick(nowMs: number): void {
    if (this.#state.kind !== "draining") return;
    if (nowMs - this.#state.sinceMs >= DRAIN_PING_TIMEOUT_MS) this.#finalGoaway();
  }

  #finalGoaway(): void {
    const { lastId } = this.#streams;
    this.#state = { kind: "goingAway", lastId };
    this.#frames.goaway(lastId, NO_ERROR, "");
    this.#host.onFinalGoaway();
    this.finishIfDrained();
  }

  /** Client: opens no more streams, since the server says GOAWAY or the owner wants to go. */
  goAway(): void {
    if (!this.closing) this.#state = { kind: "goingAway", lastId: 0 };
  }

  /** A stream has gone, or may have been the last: looks whether there are any to wait for. */
  finishIfDrained(): void {
    if (this.#state.kind !== "goingAway" || this.#streams.size > 0) return;
    this.#state = { kind: "finished", well: true };
    this.#host.onFinished(NO_ERROR, "drained");
  }
}
