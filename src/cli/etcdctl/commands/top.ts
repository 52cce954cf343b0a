/** `etcdctl top`: what the members are doing, from two looks at each. */
import { EtcdClientError } from "../../../client/index.ts";
import { errorMessage } from "../../../base/error-message.ts";
import { sleep } from "../../../env/sleep.ts";
import { parseExposition } from "../../../insight/exposition.ts";
import { figuresBetween, type Scrape } from "../../../insight/member-figures.ts";
import type { Invocation } from "../../framework/command.ts";
import { ExitCode, exitWithError } from "../../framework/exit.ts";
import { fetchPage } from "../metric.ts";
import { errorText, openForEach, type Session, sessionAt } from "../session.ts";
import { type EndpointLook, topView } from "../top-view.ts";
import { show } from "../view.ts";

/** A member that is asked more often mostly answers questions about itself. */
const MIN_INTERVAL_MS = 100;
/** To the first place of the screen; everything behind it goes away. */
const CLEAR_SCREEN = "\x1b[H\x1b[2J";

export async function top(call: Invocation): Promise<void> {
  const { flags, io } = call;
  const intervalMs = flags.durationMs("interval");
  if (!(intervalMs >= MIN_INTERVAL_MS)) {
    exitWithError(ExitCode.BAD_ARGS, "--interval must be at least 100ms");
  }
  const { session, endpoints } = await openForEach(call);
  const observers = endpoints.map((endpoint) => new Observer(sessionAt(session, endpoint)));
  await Promise.all(observers.map((observer) => observer.look()));
  for (;;) {
    await sleep(io.clock, intervalMs);
    const looks = await Promise.all(observers.map((observer) => observer.look()));
    if (io.showsPages === true && !flags.bool("once")) io.out(CLEAR_SCREEN);
    show(call, topView(looks));
    if (!flags.bool("once")) continue;
    for (const { session: own } of observers) own.client.close();
    if (looks.every(({ status }) => status === undefined)) {
      exitWithError(ExitCode.ERROR, "no endpoint answered");
    }
    return;
  }
}

/** One endpoint, and what its last look showed. */
class Observer {
  readonly session: Session;
  #last: Scrape | undefined;

  constructor(session: Session) {
    this.session = session;
  }

  async look(): Promise<EndpointLook> {
    const { client, bounded, target, call } = this.session;
    const [endpoint = ""] = target.endpoints;
    const [status, page] = await Promise.all([
      settled(client.maintenance.status(bounded)),
      settled(this.#metricsPage(endpoint)),
    ]);
    const scrape =
      page.value === undefined
        ? undefined
        : { atMs: call.io.clock.nowMs(), samples: parseExposition(page.value) };
    const figures =
      scrape === undefined || this.#last === undefined
        ? undefined
        : figuresBetween(this.#last, scrape);
    this.#last = scrape;
    const error = status.error ?? (page.error === undefined ? "" : `/metrics: ${page.error}`);
    return { endpoint, status: status.value, figures, error };
  }

  async #metricsPage(endpoint: string): Promise<string> {
    const { target, timeoutMs, call } = this.session;
    const ended = new AbortController();
    const timer = call.io.clock.setTimer(timeoutMs, () => ended.abort(new Error("no answer")));
    try {
      return await fetchPage(endpoint, "/metrics", target.tls, ended.signal);
    } finally {
      timer.cancel();
    }
  }
}

interface Settled<T> {
  readonly value?: T;
  readonly error?: string;
}

async function settled<T>(promise: Promise<T>): Promise<Settled<T>> {
  try {
    return { value: await promise };
  } catch (error) {
    return { error: error instanceof EtcdClientError ? errorText(error) : errorMessage(error) };
  }
}
