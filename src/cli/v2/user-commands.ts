/** Commands about users, and the switch of authentication. */
import { errorMessage } from "../../base/error-message.ts";
import { askPassword } from "../etcdctl/password.ts";
import type { Action } from "./actions.ts";
import type { ActionName } from "./command-table.ts";
import { AuthApi } from "./auth-api.ts";
import type { Session } from "./session.ts";

export async function openAuth(session: Session): Promise<AuthApi> {
  const client = await session.client();
  session.tellEndpoints(client);
  return new AuthApi(client);
}

/** The call's result; ends the command with the error as it is. */
export async function resultOf<T>(session: Session, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    return session.refuse(errorMessage(error));
  }
}

export function refuseArgs(session: Session): void {
  if (session.args.length > 0) session.refuse("No arguments accepted");
}

function requireUser(session: Session): string {
  const [user] = session.args;
  return user === undefined || session.args.length > 1
    ? session.refuse("Please provide a username")
    : user;
}

const userList: Action = async (session) => {
  refuseArgs(session);
  const api = await openAuth(session);
  const users = await resultOf(session, api.users(session.deadline()));
  for (const user of users) session.io.out(`${user}\n`);
};

const userAdd: Action = async (session) => {
  const given = requireUser(session);
  const api = await openAuth(session);
  const deadline = session.deadline();
  const { username, password } = await session.credentials(given, "New password: ");
  await resultOf(session, api.addUser(username, password, deadline));
  session.io.out(`User ${username} created\n`);
};

const userRemove: Action = async (session) => {
  const user = requireUser(session);
  const api = await openAuth(session);
  await resultOf(session, api.removeUser(user, session.deadline()));
  session.io.out(`User ${user} removed\n`);
};

const userPasswd: Action = async (session) => {
  const user = requireUser(session);
  const api = await openAuth(session);
  const deadline = session.deadline();
  const password = (await askPassword(session.io, "New password: ")) ?? "";
  await resultOf(session, api.changePassword(user, password, deadline));
  session.io.out("Password updated\n");
};

async function changeRoles(session: Session, how: "grant" | "revoke"): Promise<void> {
  const roles = session.flags.list("roles");
  if (roles.length === 0) session.refuse("No roles specified; please use `--roles`");
  const deadline = session.deadline();
  const user = requireUser(session);
  const api = await openAuth(session);
  await resultOf(session, api.changeRoles(user, how, roles, deadline));
  session.io.out(`User ${user} updated\n`);
}

const userGrant: Action = (session) => changeRoles(session, "grant");
const userRevoke: Action = (session) => changeRoles(session, "revoke");

const userGet: Action = async (session) => {
  const name = requireUser(session);
  const api = await openAuth(session);
  const { user, roles } = await resultOf(session, api.user(name, session.deadline()));
  session.io.out(`User: ${user}\nRoles: ${roles.join(" ")}\n`);
};

async function switchAuth(session: Session, enabled: boolean): Promise<void> {
  refuseArgs(session);
  const api = await openAuth(session);
  await resultOf(session, api.switchTo(enabled, session.deadline()));
  session.io.out(`Authentication ${enabled ? "Enabled" : "Disabled"}\n`);
}

const authEnable: Action = (session) => switchAuth(session, true);
const authDisable: Action = (session) => switchAuth(session, false);

/** By the names of the command table. */
export const USER_ACTIONS = {
  userAdd,
  userGet,
  userList,
  userRemove,
  userGrant,
  userRevoke,
  userPasswd,
  authEnable,
  authDisable,
} satisfies Partial<Record<ActionName, Action>>;
