/** `etcdctl downgrade ...`. */
import type { Invocation } from "../../framework/command.ts";
import { ExitCode, exitWithError } from "../../framework/exit.ts";
import { downgradeView } from "../cluster-view.ts";
import { openSession } from "../session.ts";
import { show } from "../view.ts";

function targetVersion({ args }: Invocation): string {
  const [version] = args;
  if (version === undefined) exitWithError(ExitCode.BAD_ARGS, "TARGET_VERSION not provided");
  if (args.length > 1) exitWithError(ExitCode.BAD_ARGS, "too many arguments");
  if (version === "") exitWithError(ExitCode.BAD_ARGS, "target version not provided");
  return version;
}

async function downgrade(
  call: Invocation,
  action: "validate" | "enable" | "cancel",
  version: string,
): Promise<void> {
  const session = await openSession(call);
  const answer = session.client.maintenance.downgrade(action, version, session.bounded);
  show(call, downgradeView(action, await session.must("Maintenance/Downgrade", answer)));
}

export function downgradeValidate(call: Invocation): Promise<void> {
  return downgrade(call, "validate", targetVersion(call));
}

export function downgradeEnable(call: Invocation): Promise<void> {
  return downgrade(call, "enable", targetVersion(call));
}

export function downgradeCancel(call: Invocation): Promise<void> {
  return downgrade(call, "cancel", "");
}
