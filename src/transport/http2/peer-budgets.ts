/**
 * What one peer may do that costs us and does not help it. Each budget answers one attack (see
 * `limits.ts`); an exhausted budget ends the connection with ENHANCE_YOUR_CALM.
 */
import {
  DEFAULT_KEEPALIVE_MIN_TIME_MS,
  EMPTY_FRAME_BURST,
  EMPTY_FRAMES_PER_SECOND,
  IGNORED_FRAME_BURST,
  IGNORED_FRAMES_PER_SECOND,
  MAX_PING_STRIKES,
  PING_WITHOUT_STREAM_MS,
  REFUSED_CALL_BURST,
  REFUSED_CALLS_PER_SECOND,
  RESET_BURST,
  RESETS_PER_SECOND,
  SETTINGS_BURST,
  SETTINGS_PER_SECOND,
  SMALL_FRAME_BURST,
  SMALL_FRAMES_PER_SECOND,
  SMALL_WINDOW_BYTES,
} from "../limits.ts";
import { TokenBucket } from "./token-bucket.ts";

export class PeerBudgets {
  /** Rapid resets by the peer, and resets that its errors made us send. */
  readonly resets: TokenBucket;
  readonly settings: TokenBucket;
  readonly emptyFrames: TokenBucket;
  readonly ignoredFrames: TokenBucket;
  readonly smallFrames: TokenBucket;
  /** Calls that were answered without their service. */
  readonly refusedCalls: TokenBucket;
  readonly #smallWindows: TokenBucket;
  #dataFrames = 0;

  constructor(nowMs: number) {
    this.resets = new TokenBucket(RESET_BURST, RESETS_PER_SECOND, nowMs);
    this.settings = new TokenBucket(SETTINGS_BURST, SETTINGS_PER_SECOND, nowMs);
    this.emptyFrames = new TokenBucket(EMPTY_FRAME_BURST, EMPTY_FRAMES_PER_SECOND, nowMs);
    this.ignoredFrames = new TokenBucket(IGNORED_FRAME_BURST, IGNORED_FRAMES_PER_SECOND, nowMs);
    this.smallFrames = new TokenBucket(SMALL_FRAME_BURST, SMALL_FRAMES_PER_SECOND, nowMs);
    this.refusedCalls = new TokenBucket(REFUSED_CALL_BURST, REFUSED_CALLS_PER_SECOND, nowMs);
    this.#smallWindows = new TokenBucket(SMALL_FRAME_BURST, SMALL_FRAMES_PER_SECOND, nowMs);
  }

  /**
   * A WINDOW_UPDATE by so many bytes is in order. Small ones are, as answers to DATA: one for the
   * stream and one for the connection. `dataFrames` is how many this side has sent.
   */
  allowsWindow(bytes: number, dataFrames: number, nowMs: number): boolean {
    if (bytes >= SMALL_WINDOW_BYTES) return true;
    this.#smallWindows.give(2 * (dataFrames - this.#dataFrames));
    this.#dataFrames = dataFrames;
    return this.#smallWindows.take(nowMs);
  }
}

/**
 * gRPC's keepalive enforcement as grpc-go does it: a ping sooner than `minTimeMs` after the last
 * one (two hours while no stream is open) is a strike, answers in between forgive all strikes,
 * and the third strike ends the connection.
 */
export class PingPolicy {
  readonly #minTimeMs: number;
  #lastPingMs = Number.NEGATIVE_INFINITY;
  #strikes = 0;

  /** `minTimeMs` 0 means grpc-go's default of five minutes. */
  constructor(minTimeMs: number) {
    this.#minTimeMs = minTimeMs > 0 ? minTimeMs : DEFAULT_KEEPALIVE_MIN_TIME_MS;
  }

  /** False when the peer has gone too far. */
  allow(nowMs: number, openStreams: number, answeredSince: boolean): boolean {
    const sinceLastMs = nowMs - this.#lastPingMs;
    this.#lastPingMs = nowMs;
    if (answeredSince) {
      this.#strikes = 0;
      return true;
    }
    if (sinceLastMs < (openStreams > 0 ? this.#minTimeMs : PING_WITHOUT_STREAM_MS)) {
      this.#strikes += 1;
    }
    return this.#strikes <= MAX_PING_STRIKES;
  }
}
