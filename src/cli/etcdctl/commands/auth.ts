/** `etcdctl auth ...`. */
import { isErrorKind } from "../../../client/index.ts";
import type { Invocation } from "../../framework/command.ts";
import { ExitCode, exitWithError } from "../../framework/exit.ts";
import { authStatusView } from "../auth-view.ts";
import { openSession } from "../session.ts";
import { show } from "../view.ts";

function refuseArguments({ args }: Invocation, name: string): void {
  if (args.length !== 0) {
    exitWithError(ExitCode.BAD_ARGS, `auth ${name} command does not accept any arguments`);
  }
}

/** Gives the user root the role root first, if that is all that is missing. */
export async function authEnable(call: Invocation): Promise<void> {
  refuseArguments(call, "enable");
  const session = await openSession(call);
  const { client, bounded } = session;
  try {
    await client.auth.enable(bounded);
  } catch (error) {
    if (!isErrorKind(error, "rootRoleNotExist")) {
      await session.must("Auth/AuthEnable", Promise.reject(error));
      return;
    }
    session.logFailure("Auth/AuthEnable", error);
    await session.must("Auth/RoleAdd", client.auth.roleAdd("root", bounded));
    await session.must("Auth/UserGrantRole", client.auth.userGrantRole("root", "root", bounded));
    await session.must("Auth/AuthEnable", client.auth.enable(bounded));
  }
  call.io.out("Authentication Enabled\n");
}

export async function authDisable(call: Invocation): Promise<void> {
  refuseArguments(call, "disable");
  const session = await openSession(call);
  await session.must("Auth/AuthDisable", session.client.auth.disable(session.bounded));
  call.io.out("Authentication Disabled\n");
}

export async function authStatus(call: Invocation): Promise<void> {
  refuseArguments(call, "status");
  const session = await openSession(call);
  const answer = session.client.auth.status(session.bounded);
  show(call, authStatusView(await session.must("Auth/AuthStatus", answer)));
}
