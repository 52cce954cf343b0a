/** `etcdctl move-leader`: finds the leader among the endpoints and asks it to step aside. */
import type { Invocation } from "../../framework/command.ts";
import { ExitCode, exitWithError } from "../../framework/exit.ts";
import { parseUint64 } from "../../../base/go-number.ts";
import { moveLeaderView } from "../cluster-view.ts";
import { openSession, sessionAt } from "../session.ts";
import { show } from "../view.ts";

export async function moveLeader(call: Invocation): Promise<void> {
  const { args } = call;
  if (args.length !== 1) exitWithError(ExitCode.BAD_ARGS, "move-leader command needs 1 argument");
  const target = parseUint64(args[0] ?? "", 16);
  if ("error" in target) exitWithError(ExitCode.BAD_ARGS, target.error);
  const session = await openSession(call);
  const { endpoints } = session.target;
  for (const endpoint of endpoints) {
    const own = sessionAt(session, endpoint);
    const status = await own.must("Maintenance/Status", own.client.maintenance.status(own.bounded));
    if (status.header?.memberId !== status.leader) {
      own.client.close();
      continue;
    }
    const answer = own.client.maintenance.moveLeader(target.value, own.bounded);
    const response = await own.must("Maintenance/MoveLeader", answer);
    show(call, moveLeaderView(status.leader, target.value, response));
    return;
  }
  exitWithError(ExitCode.BAD_ARGS, `no leader endpoint given at [${endpoints.join(" ")}]`);
}
