/**
 * /health, /livez and /readyz with the bodies of etcd 3.6. Checks run one after the other in the
 * order of their names below (etcd's order is random).
 */

import { errorMessage } from "../../base/error-message.ts";
import type { Clock } from "../../env/clock.ts";
import type { HttpRequest, HttpResponse } from "../../env/http.ts";
import type { Logger } from "../../env/logger.ts";
import type { Counter, Gauge, Labelled, Metrics } from "../../env/metrics.ts";
import { allowOnlyGet, sendError, sendText } from "../http-text.ts";
import type { Mount } from "../mounts.ts";
import { HealthMetrics } from "./health-metrics.ts";

/** "NOSPACE", "CORRUPT", or another name for alarms that a later version may know. */
export type AlarmName = string;

/** What the plain endpoints need to know of the member. Answers are of this moment. */
export interface HealthSource {
  /** Versions as text; undefined while not decided. */
  version(): {
    readonly server: string;
    readonly cluster: string | undefined;
    readonly storage: string | undefined;
  };
  /** Alarms raised by any member. */
  alarms(): readonly AlarmName[];
  hasLeader(): boolean;
  isLearner(): boolean;
  /** Reads a key with the leader's confirmation, as root. Rejects with the error to show. */
  linearizableRead(signal: AbortSignal): Promise<void>;
  /** Reads a key from the local store. */
  serializableRead(): Promise<void>;
  /** Reads the v2 store through the log: `/health` asks for this instead where it is given. */
  v2Read?(): Promise<void>;
}

export interface HealthDeps {
  readonly source: HealthSource;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Time that a read may take; etcd: 5 s + 2 * election timeout. */
  readonly requestTimeoutMs: number;
}

type Check = () => Promise<void>;
type CheckType = "livez" | "readyz";

export class HealthEndpoints {
  readonly #deps: HealthDeps;
  readonly #checks: Readonly<Record<CheckType, ReadonlyMap<string, Check>>>;
  readonly #successes: Counter;
  readonly #failures: Counter;
  readonly #results: Labelled<Gauge>;
  readonly #totals: Labelled<Counter>;

  constructor(deps: HealthDeps) {
    this.#deps = deps;
    const { metrics, source } = deps;
    this.#successes = metrics.counter(HealthMetrics.healthSuccess);
    this.#failures = metrics.counter(HealthMetrics.healthFailures);
    const { healthcheck, healthchecks } = HealthMetrics;
    this.#results = metrics.gauges(healthcheck, healthcheck.labels);
    this.#totals = metrics.counters(healthchecks, healthchecks.labels);
    const serializableRead: Check = () => this.#read(true);
    this.#checks = {
      livez: new Map([["serializable_read", serializableRead]]),
      readyz: new Map([
        [
          "data_corruption",
          async () => {
            if (source.alarms().includes("CORRUPT")) throw new Error("alarm activated: CORRUPT");
          },
        ],
        ["serializable_read", serializableRead],
        ["linearizable_read", () => this.#read(false)],
        [
          "non_learner",
          async () => {
            if (source.isLearner()) throw new Error("not supported for learner");
          },
        ],
      ]),
    };
  }

  /** /health, both kinds of checks, and each check by itself. */
  mounts(): readonly Mount[] {
    const mounts: Mount[] = [
      [
        "/health",
        (path, request, response) => this.#supervise(path, this.#health(request, response)),
      ],
    ];
    for (const type of ["livez", "readyz"] as const) {
      mounts.push(this.#checkMount(`/${type}`, type, undefined));
      for (const name of this.#checks[type].keys()) {
        mounts.push(this.#checkMount(`/${type}/${name}`, type, name));
      }
    }
    return mounts;
  }

  #checkMount(prefix: string, type: CheckType, name: string | undefined): Mount {
    return [
      prefix,
      (path, request, response) =>
        this.#supervise(path, this.#runChecks(type, name, path, request, response)),
    ];
  }

  #supervise(path: string, served: Promise<void>): void {
    served.catch((error: unknown) => {
      this.#deps.logger.error("failed to answer a health check", { path, error });
    });
  }

  async #health(request: HttpRequest, response: HttpResponse): Promise<void> {
    const { logger } = this.#deps;
    if (!allowOnlyGet(request, response)) {
      logger.warn("/health error", { "status-code": 405 });
      return;
    }
    const query = new URLSearchParams(request.query);
    const reason = await this.#healthFailure(query);
    if (reason === undefined) {
      this.#successes.add();
      const headers = { "content-type": "text/plain; charset=utf-8" };
      sendText(request, response, 200, '{"health":"true","reason":""}', headers);
      logger.debug("/health OK", { "status-code": 200 });
      return;
    }
    this.#failures.add();
    const output = `{"health":"false","reason":${JSON.stringify(reason)}}`;
    sendError(request, response, 503, output);
    logger.warn("/health error", { output, "status-code": 503 });
  }

  /** Why the member is not healthy; undefined if it is. */
  async #healthFailure(query: URLSearchParams): Promise<string | undefined> {
    const { source, logger } = this.#deps;
    const excluded = query.getAll("exclude");
    const alarm = source.alarms().find((name) => !excluded.includes(name));
    if (alarm !== undefined) {
      logger.warn("serving /health false due to an alarm", { alarm });
      return alarm === "NOSPACE" || alarm === "CORRUPT" ? `ALARM ${alarm}` : "ALARM UNKNOWN";
    }
    const serializable = query.get("serializable") === "true";
    if (!serializable && !source.hasLeader()) {
      logger.warn("serving /health false; no leader");
      return "RAFT NO LEADER";
    }
    const { kind, complaint, read } = this.#healthRead(serializable);
    try {
      await read();
    } catch (error) {
      logger.warn(complaint, { error });
      return `${kind} ERROR:${errorMessage(error)}`;
    }
    logger.debug("serving /health true");
    return undefined;
  }

  #healthRead(serializable: boolean): HealthRead {
    const { v2Read } = this.#deps.source;
    if (v2Read === undefined) {
      const complaint = "serving /health false; Range fails";
      return { kind: "RANGE", complaint, read: () => this.#read(serializable) };
    }
    const complaint = "serving /health false; QGET fails";
    const read = () => this.#within(V2_READ_TIMEOUT_MS, NO_QUORUM_TEXT, () => v2Read());
    return { kind: "QGET", complaint, read };
  }

  async #runChecks(
    type: CheckType,
    name: string | undefined,
    path: string,
    request: HttpRequest,
    response: HttpResponse,
  ): Promise<void> {
    const { logger } = this.#deps;
    if (!allowOnlyGet(request, response)) {
      logger.warn("Health request error", { path, "status-code": 405 });
      return;
    }
    const query = new URLSearchParams(request.query);
    const names = name === undefined ? this.#selected(type, query) : [name];
    let reason = "";
    let failed = false;
    for (const each of names) {
      const error = await this.#runCheck(type, each);
      if (error === undefined) reason += `[+]${each} ok\n`;
      else {
        failed = true;
        reason += `[-]${each} failed: ${error}\n`;
      }
    }
    if (failed) {
      sendError(request, response, 503, reason);
      logger.error("Health check error", { path, reason, "status-code": 503 });
      return;
    }
    const headers = {
      "content-type": "text/plain; charset=utf-8",
      "x-content-type-options": "nosniff",
    };
    sendText(request, response, 200, query.has("verbose") ? `${reason}ok\n` : "ok\n", headers);
    logger.debug("Health check OK", { path, reason, "status-code": 200 });
  }

  #selected(type: CheckType, query: URLSearchParams): string[] {
    const excluded = new Set(query.getAll("exclude").filter((name) => name !== ""));
    const names = [...this.#checks[type].keys()].filter((name) => !excluded.delete(name));
    if (excluded.size > 0) {
      const missing = [...excluded].map((name) => JSON.stringify(name)).join(",");
      this.#deps.logger.warn("some health checks cannot be excluded", {
        "missing-health-checks": missing,
      });
    }
    return names;
  }

  /** The error's text; undefined if the check passed. */
  async #runCheck(type: CheckType, name: string): Promise<string | undefined> {
    let error: string | undefined;
    try {
      await this.#checks[type].get(name)?.();
    } catch (thrown) {
      error = errorMessage(thrown);
    }
    this.#results.of(type, name).set(error === undefined ? 1 : 0);
    this.#totals.of(type, name, error === undefined ? "success" : "error").add();
    return error;
  }

  /** One read, given up after the request timeout even if the source does not answer. */
  async #read(serializable: boolean): Promise<void> {
    const { source, requestTimeoutMs } = this.#deps;
    // In the words of who gives up first: the store, or the loop that asks the leader.
    const text = serializable ? "context deadline exceeded" : NO_QUORUM_TEXT;
    await this.#within(requestTimeoutMs, text, (signal) =>
      serializable ? source.serializableRead() : source.linearizableRead(signal),
    );
  }

  async #within(
    timeoutMs: number,
    text: string,
    read: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const abort = new AbortController();
    const expired = new Promise<never>((_, reject) => {
      abort.signal.addEventListener("abort", () => reject(new Error(text)));
    });
    const timer = this.#deps.clock.setTimer(timeoutMs, () => abort.abort());
    try {
      await Promise.race([read(abort.signal), expired]);
    } finally {
      timer.cancel();
    }
  }
}

interface HealthRead {
  readonly kind: "RANGE" | "QGET";
  readonly complaint: string;
  readonly read: () => Promise<void>;
}

/** As in etcd. */
const V2_READ_TIMEOUT_MS = 1000;
const NO_QUORUM_TEXT = "etcdserver: request timed out";
