/** `etcdctl lock`: holds a lock until a signal comes or a command has ended. */
import { RangeRequest } from "../../../api/gen/rpc.ts";
import { EtcdClientError, METHODS, Mutex, Session as LeaseSession } from "../../../client/index.ts";
import type { Invocation } from "../../framework/command.ts";
import { CliExit, ExitCode, exitWithError } from "../../framework/exit.ts";
import { bytesOfText } from "../../../base/raw-text.ts";
import { getView } from "../key-view.ts";
import { runCommand } from "../run-command.ts";
import { errorText, openSession, type Session } from "../session.ts";
import { interruption, whenAborted } from "../signals.ts";
import { show } from "../view.ts";

export async function lock(call: Invocation): Promise<void> {
  const [name, ...command] = call.args;
  if (name === undefined) {
    exitWithError(
      ExitCode.BAD_ARGS,
      "lock takes a lock name argument and an optional command to execute",
    );
  }
  const session = await openSession(call);
  try {
    await holdLock(session, name, command);
  } catch (error) {
    if (!(error instanceof EtcdClientError)) throw error;
    const text = error.kind === "aborted" ? "context canceled" : errorText(error);
    exitWithError(ExitCode.ERROR, text);
  }
}

async function holdLock(session: Session, name: string, command: readonly string[]): Promise<void> {
  const { call, client, bounded } = session;
  const signal = interruption();
  const lease = await LeaseSession.create(client, { ttl: call.flags.number("ttl"), ...bounded });
  const mutex = new Mutex(lease, name);
  await mutex.lock({ signal });
  if (command.length > 0) {
    const { code, failure } = await runCommand(command, {
      ETCD_LOCK_KEY: mutex.key,
      ETCD_LOCK_REV: String(mutex.revision),
      ...call.io.env,
    });
    await mutex.unlock(bounded);
    if (failure !== undefined) throw new CliExit(code, failure);
    return;
  }
  const request = RangeRequest.create({ key: bytesOfText(mutex.key) });
  const held = await client.call(METHODS.range, request, bounded);
  if (held.kvs.length === 0) exitWithError(ExitCode.ERROR, "lock lost on init");
  show(call, getView(held));
  const lost = await Promise.race([whenAborted(signal), lease.lost]);
  if (lost !== undefined) exitWithError(ExitCode.ERROR, "session expired");
  await mutex.unlock(bounded);
}
