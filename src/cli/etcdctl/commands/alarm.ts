/** `etcdctl alarm ...`. */
import type { Invocation } from "../../framework/command.ts";
import { ExitCode, exitWithError } from "../../framework/exit.ts";
import { alarmsView } from "../cluster-view.ts";
import { openSession } from "../session.ts";
import { show } from "../view.ts";

function refuseArguments({ args }: Invocation, name: string): void {
  if (args.length !== 0) {
    exitWithError(ExitCode.BAD_ARGS, `alarm ${name} command accepts no arguments`);
  }
}

/** Disarms every alarm of every member. */
export async function alarmDisarm(call: Invocation): Promise<void> {
  refuseArguments(call, "disarm");
  const session = await openSession(call);
  const answer = session.client.maintenance.alarmDisarm(0n, "none", session.bounded);
  show(call, alarmsView(await session.must("Maintenance/Alarm", answer)));
}

export async function alarmList(call: Invocation): Promise<void> {
  refuseArguments(call, "list");
  const session = await openSession(call);
  const answer = session.client.maintenance.alarmList(session.bounded);
  show(call, alarmsView(await session.must("Maintenance/Alarm", answer)));
}
