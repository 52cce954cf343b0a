/** `etcdctl alarm ...`. */
import { type AlarmMember, AlarmResponse, AlarmType } from "../../../api/gen/rpc.ts";
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
  const { client, bounded } = session;
  const list = client.maintenance.alarmList(bounded);
  const raised = await session.must("Maintenance/Alarm", list);
  const alarms: AlarmMember[] = [];
  for (const { memberID, alarm } of raised.alarms) {
    const name = alarm === AlarmType.NOSPACE ? "noSpace" : "corrupt";
    const answer = client.maintenance.alarmDisarm(memberID, name, bounded);
    alarms.push(...(await session.must("Maintenance/Alarm", answer)).alarms);
  }
  show(call, alarmsView(AlarmResponse.create({ alarms })));
}

export async function alarmList(call: Invocation): Promise<void> {
  refuseArguments(call, "list");
  const session = await openSession(call);
  const answer = session.client.maintenance.alarmList(session.bounded);
  show(call, alarmsView(await session.must("Maintenance/Alarm", answer)));
}
