/**
 * Asks a peer for the time at even intervals: measures the round trip, and tells of a peer that
 * does not answer and of clocks that differ, which leases and logs suffer from.
 */
import { errorMessage } from "../../base/error-message.ts";
import { formatDuration } from "../../base/go-text.ts";
import type { Timer } from "../../env/clock.ts";
import {
  HEALTHY_REPORT_MS,
  MAX_CLOCK_DRIFT_MS,
  MAX_REFUSAL_BYTES,
  PROBE_INTERVAL_MS,
  UNHEALTHY_REPORT_MS,
} from "./limits.ts";
import type { PeerContext } from "./peer-context.ts";

export const PROBING_PATH = "/raft/probing";

/** Weight of the newest round trip in the smoothed one, as TCP (RFC 6298). */
const SMOOTHING = 1 / 8;

interface Health {
  readonly ok: boolean;
  readonly error: string;
}

export class Prober {
  readonly #context: PeerContext;
  #probeTimer: Timer;
  #reportTimer: Timer;
  #health: Health = { ok: false, error: "" };
  #roundTripMs = 0;
  #clockDriftMs = 0;
  #stopped = false;

  constructor(context: PeerContext) {
    this.#context = context;
    this.#probeTimer = this.#armProbe();
    this.#reportTimer = this.#armReport(UNHEALTHY_REPORT_MS);
  }

  stop(): void {
    this.#stopped = true;
    this.#probeTimer.cancel();
    this.#reportTimer.cancel();
  }

  #armProbe(): Timer {
    return this.#context.clock.setTimer(PROBE_INTERVAL_MS, () => {
      this.#probeTimer = this.#armProbe();
      void this.#probe();
    });
  }

  #armReport(delayMs: number): Timer {
    return this.#context.clock.setTimer(delayMs, () => {
      this.#report();
      this.#reportTimer = this.#armReport(
        this.#health.ok ? HEALTHY_REPORT_MS : UNHEALTHY_REPORT_MS,
      );
    });
  }

  /** Never rejects. */
  async #probe(): Promise<void> {
    const { clock, http, urls } = this.#context;
    const startMs = clock.nowMs();
    try {
      const answer = await http.exchange(urls.pick(), {
        method: "GET",
        path: PROBING_PATH,
        headers: {},
        timeoutMs: PROBE_INTERVAL_MS,
        limitBytes: MAX_REFUSAL_BYTES,
      });
      if (this.#stopped) return;
      if (answer.status !== 200) throw new Error(`unexpected http status ${answer.status}`);
      const remoteMs = readProbe(answer.body);
      const tookMs = clock.nowMs() - startMs;
      const isFirst = this.#roundTripMs === 0;
      this.#roundTripMs += (tookMs - this.#roundTripMs) * (isFirst ? 1 : SMOOTHING);
      this.#clockDriftMs = clock.wallMs() - remoteMs - this.#roundTripMs / 2;
      this.#health = { ok: true, error: "" };
    } catch (error) {
      this.#health = { ok: false, error: errorMessage(error) };
    }
  }

  #report(): void {
    const { logger, meter, idText } = this.#context;
    const fields = {
      "round-tripper-name": "ROUND_TRIPPER_RAFT_MESSAGE",
      "remote-peer-id": idText,
      rtt: formatDuration(this.#roundTripMs),
      error: this.#health.error,
    };
    if (!this.#health.ok) logger.warn("prober detected unhealthy status", fields);
    if (Math.abs(this.#clockDriftMs) > MAX_CLOCK_DRIFT_MS) {
      const drift = formatDuration(this.#clockDriftMs);
      logger.warn("prober found high clock drift", { ...fields, "clock-drift": drift });
    }
    meter.roundTrip.of(idText).observe(this.#roundTripMs / 1_000);
  }
}

/** The answer to a probe: the time in Go's JSON form. */
export function probeAnswer(wallMs: number): string {
  return `{"OK":true,"Now":"${new Date(wallMs).toISOString()}"}\n`;
}

function readProbe(body: Uint8Array): number {
  const { Now } = JSON.parse(Buffer.from(body).toString("utf8")) as { readonly Now?: unknown };
  const wallMs = typeof Now === "string" ? Date.parse(Now) : Number.NaN;
  if (Number.isNaN(wallMs)) throw new Error("answer to a probe has no time");
  return wallMs;
}
