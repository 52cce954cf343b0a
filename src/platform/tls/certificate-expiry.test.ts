import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { MemoryLogger } from "../../env/testing/index.ts";
import type { Clock } from "../../env/clock.ts";
import { CertificateExpiry } from "./certificate-expiry.ts";
import { TestAuthority } from "./testing/authority.ts";
import { TlsCredentials } from "./tls-credentials.ts";
import { NO_TLS } from "./tls-settings.ts";

const directory = mkdtempSync(join(tmpdir(), "expiry-"));
after(() => rmSync(directory, { recursive: true }));

const DAY_MS = 86_400_000;

/** A clock whose date the test sets; a timer fires when the test says so. */
class DateClock implements Clock {
  wall = Date.now();
  fire: () => void = () => undefined;
  nowMs(): number {
    return 0;
  }
  wallMs(): number {
    return this.wall;
  }
  setTimer(_delayMs: number, fire: () => void): { cancel(): void } {
    this.fire = fire;
    return { cancel: () => undefined };
  }
}

test("the end of a certificate is told as a metric, and 30, 7 and 1 days ahead", () => {
  const authority = new TestAuthority();
  const issue = (days: number): { certFile: string; keyFile: string } => {
    const { cert, key } = authority.issue({ untilHours: days * 24 });
    const certFile = join(directory, "server.crt");
    const keyFile = join(directory, "server.key");
    writeFileSync(certFile, cert);
    writeFileSync(keyFile, key);
    return { certFile, keyFile };
  };
  const clock = new DateClock();
  const startMs = clock.wall;
  const logger = new MemoryLogger();
  const settings = { ...NO_TLS, ...issue(90) };
  const credentials = new TlsCredentials({ settings, onReloadFailure: () => undefined });
  const shown = new Map<string, number>();
  const labelled = <M>(make: (labels: string) => M) => ({
    of: (...labels: string[]) => make(labels.join(" ")),
  });
  const counter = labelled(() => ({ add: () => undefined }));
  const metrics = {
    notAfter: labelled((labels) => ({
      set: (value: number) => void shown.set(labels, value),
      add: () => undefined,
    })),
    handshakes: counter,
    reloadFailures: counter,
  };
  const expiry = new CertificateExpiry({
    sides: [{ side: "client", credentials }],
    clock,
    logger,
    metrics,
  });
  const warnings = (): unknown[] => logger.lines.map(({ fields }) => fields["days-left"]);
  expiry.start();
  assert.deepEqual(warnings(), []);
  const [[labels, value] = ["", 0]] = [...shown];
  assert.match(labels, /^client [0-9A-F]+$/);
  assert.ok(Math.abs(value * 1000 - startMs - 90 * DAY_MS) < 10_000);
  for (const day of [60.5, 60.6, 83.5, 89.5, 91.5]) {
    clock.wall = startMs + day * DAY_MS;
    clock.fire();
  }
  assert.deepEqual(warnings(), [29, 6, 0, 0]);
  assert.equal(logger.lines.at(-1)?.message, "certificate has expired");
  issue(100);
  clock.fire();
  assert.equal(logger.lines.at(-1)?.fields["days-left"], 8);
  expiry.stop();
});
