/** `etcdctl user ...`. */
import {
  AuthUserAddResponse,
  AuthUserChangePasswordResponse,
  AuthUserDeleteResponse,
  AuthUserGrantRoleResponse,
  AuthUserRevokeRoleResponse,
} from "../../../api/gen/rpc.ts";
import type { Invocation } from "../../framework/command.ts";
import { ExitCode, exitWithError } from "../../framework/exit.ts";
import { roleView, userView, usersView } from "../auth-view.ts";
import { plainView } from "../header-view.ts";
import { askPassword } from "../password.ts";
import { openSession } from "../session.ts";
import { show } from "../view.ts";

function needArguments({ args }: Invocation, count: number, complaint: string): readonly string[] {
  if (args.length !== count) exitWithError(ExitCode.BAD_ARGS, complaint);
  return args;
}

export async function userAdd(call: Invocation): Promise<void> {
  const [given = ""] = needArguments(
    call,
    1,
    "user add command requires user name as its argument",
  );
  const { name, password, noPassword } = await newUser(call, given);
  const session = await openSession(call);
  const answer = session.client.auth.userAdd(name, password, { ...session.bounded, noPassword });
  const response = await session.must("Auth/UserAdd", answer);
  show(call, plainView(AuthUserAddResponse, response, `User ${name} created`));
}

interface NewUser {
  readonly name: string;
  readonly password: string;
  readonly noPassword: boolean;
}

async function newUser(call: Invocation, given: string): Promise<NewUser> {
  const { flags } = call;
  if (flags.bool("no-password")) return { name: given, password: "", noPassword: true };
  const fromFlag = flags.string("new-user-password");
  if (fromFlag !== "") return { name: given, password: fromFlag, noPassword: false };
  const colon = given.indexOf(":");
  if (colon < 0)
    return { name: given, password: await newPassword(call, given), noPassword: false };
  const name = given.slice(0, colon);
  if (name === "") exitWithError(ExitCode.BAD_ARGS, "empty user name is not allowed");
  return { name, password: given.slice(colon + 1), noPassword: false };
}

/** Asked for twice, or with --interactive=false the first word of the input. */
async function newPassword({ flags, io }: Invocation, name: string): Promise<string> {
  if (!flags.bool("interactive")) return /\S*/.exec((await io.stdin.readLine()) ?? "")?.[0] ?? "";
  const first = await askPassword(io, `Password of ${name}: `);
  if (first === "") exitWithError(ExitCode.BAD_ARGS, "empty password");
  const second = await askPassword(io, `Type password of ${name} again for confirmation: `);
  if (first !== second) exitWithError(ExitCode.BAD_ARGS, "given passwords are different");
  return first;
}

export async function userDelete(call: Invocation): Promise<void> {
  const [name = ""] = needArguments(
    call,
    1,
    "user delete command requires user name as its argument",
  );
  const session = await openSession(call);
  const answer = session.client.auth.userDelete(name, session.bounded);
  const response = await session.must("Auth/UserDelete", answer);
  show(call, plainView(AuthUserDeleteResponse, response, `User ${name} deleted`));
}

export async function userGet(call: Invocation): Promise<void> {
  const [name = ""] = needArguments(call, 1, "user get command requires user name as its argument");
  const session = await openSession(call);
  const { client, bounded } = session;
  const response = await session.must("Auth/UserGet", client.auth.userGet(name, bounded));
  if (!call.flags.bool("detail")) {
    show(call, userView(name, response));
    return;
  }
  call.io.out(`User: ${name}\n`);
  for (const role of response.roles) {
    call.io.out("\n");
    show(
      call,
      roleView(role, await session.must("Auth/RoleGet", client.auth.roleGet(role, bounded))),
    );
  }
}

export async function userList(call: Invocation): Promise<void> {
  needArguments(call, 0, "user list command requires no arguments");
  const session = await openSession(call);
  const answer = session.client.auth.userList(session.bounded);
  show(call, usersView(await session.must("Auth/UserList", answer)));
}

export async function userPasswd(call: Invocation): Promise<void> {
  const [name = ""] = needArguments(
    call,
    1,
    "user passwd command requires user name as its argument",
  );
  const password = await newPassword(call, name);
  const session = await openSession(call);
  const answer = session.client.auth.userChangePassword(name, password, session.bounded);
  const response = await session.must("Auth/UserChangePassword", answer);
  show(call, plainView(AuthUserChangePasswordResponse, response, "Password updated"));
}

export async function userGrantRole(call: Invocation): Promise<void> {
  const [name = "", role = ""] = needArguments(
    call,
    2,
    "user grant command requires user name and role name as its argument",
  );
  const session = await openSession(call);
  const answer = session.client.auth.userGrantRole(name, role, session.bounded);
  const response = await session.must("Auth/UserGrantRole", answer);
  const words = `Role ${role} is granted to user ${name}`;
  show(call, plainView(AuthUserGrantRoleResponse, response, words));
}

export async function userRevokeRole(call: Invocation): Promise<void> {
  const [name = "", role = ""] = needArguments(
    call,
    2,
    "user revoke-role requires user name and role name as its argument",
  );
  const session = await openSession(call);
  const answer = session.client.auth.userRevokeRole(name, role, session.bounded);
  const response = await session.must("Auth/UserRevokeRole", answer);
  const words = `Role ${role} is revoked from user ${name}`;
  show(call, plainView(AuthUserRevokeRoleResponse, response, words));
}
