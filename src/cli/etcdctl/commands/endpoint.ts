/** `etcdctl endpoint ...`: asks every endpoint by itself. */
import type { HashKVResponse, StatusResponse } from "../../../api/gen/rpc.ts";
import { EtcdClientError, isErrorKind } from "../../../client/index.ts";
import type { Invocation } from "../../framework/command.ts";
import { CliExit, ExitCode, exitWithError } from "../../framework/exit.ts";
import { formatDuration } from "../../../base/go-text.ts";
import {
  alarmName,
  type EndpointAnswer,
  type Health,
  hashView,
  healthView,
  statusView,
} from "../cluster-view.ts";
import { errorText, openForEach, type Session, sessionAt } from "../session.ts";
import { show } from "../view.ts";

export async function endpointHealth(call: Invocation): Promise<void> {
  const { session, endpoints } = await openForEach(call);
  const list: Health[] = [];
  // In the order in which they answer.
  await Promise.all(
    endpoints.map(async (endpoint) => list.push(await healthOf(sessionAt(session, endpoint)))),
  );
  show(
    call,
    healthView(list, (line) => call.io.err(line)),
  );
  if (list.some(({ error }) => error !== "")) exitWithError(ExitCode.ERROR, "unhealthy cluster");
}

/** Healthy is an endpoint that answers a read of the cluster's state, and has no alarm. */
async function healthOf(session: Session): Promise<Health> {
  const endpoint = session.target.endpoints[0] ?? "";
  const { client, bounded } = session;
  const { clock } = session.call.io;
  const begun = clock.nowMs();
  const took = (): string => formatDuration(clock.nowMs() - begun);
  try {
    await client.kv.get("health", bounded);
  } catch (error) {
    if (!(error instanceof EtcdClientError)) throw error;
    session.logFailure("KV/Range", error, "client");
    if (!isErrorKind(error, "permissionDenied")) {
      return { endpoint, health: false, took: took(), error: errorText(error) };
    }
  }
  const elapsed = took();
  try {
    const { alarms } = await client.maintenance.alarmList(bounded);
    if (alarms.length === 0) return { endpoint, health: true, took: elapsed, error: "" };
    const names = alarms.map(({ alarm }) => `${alarmName(alarm)} `).join("");
    return { endpoint, health: false, took: elapsed, error: `Active Alarm(s): ${names}` };
  } catch (error) {
    if (!(error instanceof EtcdClientError)) throw error;
    session.logFailure("Maintenance/Alarm", error, "client");
    return { endpoint, health: false, took: elapsed, error: "Unable to fetch the alarm list" };
  }
}

interface Visit<T> {
  readonly answers: readonly EndpointAnswer<T>[];
  readonly failure: EtcdClientError | undefined;
}

/** One endpoint after the other; failures are told and passed over. */
async function visit<T>(
  call: Invocation,
  method: string,
  what: string,
  ask: (session: Session) => Promise<T>,
): Promise<Visit<T>> {
  const { session, endpoints } = await openForEach(call);
  const answers: EndpointAnswer<T>[] = [];
  let failure: EtcdClientError | undefined;
  for (const endpoint of endpoints) {
    const own = sessionAt(session, endpoint);
    try {
      answers.push({ endpoint, answer: await ask(own) });
    } catch (error) {
      if (!(error instanceof EtcdClientError)) throw error;
      failure = error;
      own.logFailure(method, error);
      call.io.err(`Failed to get the ${what} of endpoint ${endpoint} (${errorText(error)})\n`);
    }
    own.client.close();
  }
  return { answers, failure };
}

export async function endpointStatus(call: Invocation): Promise<void> {
  const { answers, failure } = await visit<StatusResponse>(
    call,
    "Maintenance/Status",
    "status",
    ({ client, bounded }) => client.maintenance.status(bounded),
  );
  show(call, statusView(answers));
  if (failure !== undefined) throw new CliExit(ExitCode.ERROR);
}

export async function endpointHashKV(call: Invocation): Promise<void> {
  const revision = call.flags.number("rev");
  const { answers, failure } = await visit<HashKVResponse>(
    call,
    "Maintenance/HashKV",
    "hash",
    ({ client, bounded }) => client.maintenance.hashKV(revision, bounded),
  );
  show(call, hashView(answers));
  if (failure !== undefined) exitWithError(ExitCode.ERROR, errorText(failure));
}
