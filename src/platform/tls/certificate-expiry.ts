/**
 * Says in time when a certificate ends: as a metric, and as a warning 30, 7 and 1 days ahead, once
 * each for every certificate. One that was renewed meanwhile is a new one.
 */
import type { X509Certificate } from "node:crypto";
import type { Clock, Timer } from "../../env/clock.ts";
import type { Logger } from "../../env/logger.ts";
import type { TlsCredentials } from "./tls-credentials.ts";
import type { TlsMetrics, TlsSide } from "./tls-metrics.ts";

const DAY_MS = 86_400_000;
/** Descending; the last one that applies is what is said. */
const WARN_DAYS = [30, 7, 1, 0];
const CHECK_INTERVAL_MS = 3_600_000;

export interface CertificateExpiryOptions {
  readonly sides: readonly { readonly side: TlsSide; readonly credentials: TlsCredentials }[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: TlsMetrics;
}

export class CertificateExpiry {
  readonly #options: CertificateExpiryOptions;
  /** By fingerprint: the last number of days that was warned of. */
  readonly #warned = new Map<string, number>();
  #timer: Timer | undefined;

  constructor(options: CertificateExpiryOptions) {
    this.#options = options;
  }

  /** Looks now, and every hour from now on. */
  start(): void {
    this.#check();
    this.#timer = this.#options.clock.setTimer(CHECK_INTERVAL_MS, () => this.start());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #check(): void {
    for (const { side, credentials } of this.#options.sides) {
      for (const certificate of credentials.leaves()) this.#look(side, certificate);
    }
  }

  #look(side: TlsSide, certificate: X509Certificate): void {
    const { clock, logger, metrics } = this.#options;
    const endMs = Date.parse(certificate.validTo);
    metrics.notAfter.of(side, certificate.serialNumber).set(endMs / 1000);
    const leftDays = (endMs - clock.wallMs()) / DAY_MS;
    const due = WARN_DAYS.filter((days) => leftDays <= days).at(-1);
    if (due === undefined || this.#warned.get(certificate.fingerprint256) === due) return;
    this.#warned.set(certificate.fingerprint256, due);
    const message = leftDays <= 0 ? "certificate has expired" : "certificate expires soon";
    logger.warn(message, {
      side,
      subject: certificate.subject,
      "serial-number": certificate.serialNumber,
      "not-after": new Date(endMs).toISOString(),
      "days-left": Math.max(0, Math.floor(leftDays)),
    });
  }
}
