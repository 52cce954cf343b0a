/** What a peer must do in time, and pings that find out whether it is there. */
import {
  HEADER_BLOCK_TIMEOUT_MS,
  IDLE_WRITE_TIMEOUT_MS,
  PREFACE_TIMEOUT_MS,
  STALLED_OUTPUT_BYTES,
} from "../limits.ts";
import { ENHANCE_YOUR_CALM, PROTOCOL_ERROR } from "./constants.ts";
import { Keepalive, type KeepaliveOptions } from "./keepalive.ts";

/** What is open at this moment. */
export interface PeerDebts {
  /** The peer has not sent its SETTINGS. */
  readonly settings: boolean;
  /** Since when a header block waits for its end. */
  readonly headerBlockSinceMs: number | undefined;
  /** What it has to read. */
  readonly unreadBytes: number;
}

/** The connection error that a peer earns. */
export interface Overdue {
  readonly code: number;
  readonly reason: string;
}

export class Liveness {
  readonly #openedMs: number;
  readonly #keepalive: Keepalive;
  #lastProgressMs: number;

  constructor(options: KeepaliveOptions, nowMs: number) {
    this.#openedMs = nowMs;
    this.#lastProgressMs = nowMs;
    this.#keepalive = new Keepalive(options, nowMs);
  }

  /** Bytes of the peer arrived. */
  heard(nowMs: number): void {
    this.#keepalive.heard(nowMs);
  }

  /** Output moved towards the peer. */
  progressed(nowMs: number): void {
    this.#lastProgressMs = nowMs;
  }

  overdue(nowMs: number, debts: PeerDebts): Overdue | undefined {
    if (debts.settings && nowMs - this.#openedMs >= PREFACE_TIMEOUT_MS) {
      return { code: PROTOCOL_ERROR, reason: "preface timeout" };
    }
    const { headerBlockSinceMs } = debts;
    if (headerBlockSinceMs !== undefined && nowMs - headerBlockSinceMs >= HEADER_BLOCK_TIMEOUT_MS) {
      return { code: ENHANCE_YOUR_CALM, reason: "header block timeout" };
    }
    const stalled = debts.unreadBytes > STALLED_OUTPUT_BYTES;
    if (stalled && nowMs - this.#lastProgressMs >= IDLE_WRITE_TIMEOUT_MS) {
      return { code: ENHANCE_YOUR_CALM, reason: "peer does not read" };
    }
    return undefined;
  }

  /** A ping was acknowledged; false when no keepalive waits for it. */
  acknowledged(): boolean {
    return this.#keepalive.acknowledged();
  }

  /** What keepalive asks for. Without `mayPing` no ping is. */
  keepalive(nowMs: number, mayPing: boolean): "nothing" | "ping" | "dead" {
    return this.#keepalive.look(nowMs, mayPing);
  }
}
