/** `etcdctl role ...`. */
import {
  AuthRoleAddResponse,
  AuthRoleDeleteResponse,
  AuthRoleGrantPermissionResponse,
  AuthRoleRevokePermissionResponse,
} from "../../../api/gen/rpc.ts";
import { type PermissionName, prefixEnd } from "../../../client/index.ts";
import type { Invocation } from "../../framework/command.ts";
import { ExitCode, exitWithError } from "../../framework/exit.ts";
import { bytesOfText, textOfBytes } from "../../../base/raw-text.ts";
import { roleView, rolesView } from "../auth-view.ts";
import { plainView } from "../header-view.ts";
import { openSession } from "../session.ts";
import { show } from "../view.ts";

function onlyRole({ args }: Invocation, name: string): string {
  if (args.length === 1) return args[0] ?? "";
  return exitWithError(
    ExitCode.BAD_ARGS,
    `role ${name} command requires role name as its argument`,
  );
}

export async function roleAdd(call: Invocation): Promise<void> {
  const role = onlyRole(call, "add");
  const session = await openSession(call);
  const answer = session.client.auth.roleAdd(role, session.bounded);
  const response = await session.must("Auth/RoleAdd", answer);
  show(call, plainView(AuthRoleAddResponse, response, `Role ${role} created`));
}

export async function roleDelete(call: Invocation): Promise<void> {
  const role = onlyRole(call, "delete");
  const session = await openSession(call);
  const answer = session.client.auth.roleDelete(role, session.bounded);
  const response = await session.must("Auth/RoleDelete", answer);
  show(call, plainView(AuthRoleDeleteResponse, response, `Role ${role} deleted`));
}

export async function roleGet(call: Invocation): Promise<void> {
  const role = onlyRole(call, "get");
  const session = await openSession(call);
  const answer = session.client.auth.roleGet(role, session.bounded);
  show(call, roleView(role, await session.must("Auth/RoleGet", answer)));
}

export async function roleList(call: Invocation): Promise<void> {
  if (call.args.length !== 0) {
    exitWithError(ExitCode.BAD_ARGS, "role list command requires no arguments");
  }
  const session = await openSession(call);
  const answer = session.client.auth.roleList(session.bounded);
  show(call, rolesView(await session.must("Auth/RoleList", answer)));
}

export async function roleGrantPermission(call: Invocation): Promise<void> {
  const [role = "", type = "", ...keys] = call.args;
  if (keys.length === 0) {
    exitWithError(
      ExitCode.BAD_ARGS,
      "role grant command requires role name, permission type, and key [endkey] as its argument",
    );
  }
  const permission = permissionFrom(type);
  const { key, rangeEnd } = permissionRange(call, keys);
  const session = await openSession(call);
  const answer = session.client.auth.roleGrantPermission(role, permission, bytesOfText(key), {
    ...session.bounded,
    rangeEnd: bytesOfText(rangeEnd),
  });
  const response = await session.must("Auth/RoleGrantPermission", answer);
  show(call, plainView(AuthRoleGrantPermissionResponse, response, `Role ${role} updated`));
}

function permissionFrom(type: string): PermissionName {
  const name = type.toLowerCase();
  if (name === "read" || name === "write" || name === "readwrite") return name;
  return exitWithError(ExitCode.BAD_ARGS, `invalid permission type: ${type}`);
}

export async function roleRevokePermission(call: Invocation): Promise<void> {
  const [role = "", ...keys] = call.args;
  if (keys.length === 0) {
    exitWithError(
      ExitCode.BAD_ARGS,
      "role revoke-permission command requires role name and key [endkey] as its argument",
    );
  }
  const { key, rangeEnd } = permissionRange(call, keys);
  const session = await openSession(call);
  const answer = session.client.auth.roleRevokePermission(role, bytesOfText(key), {
    ...session.bounded,
    rangeEnd: bytesOfText(rangeEnd),
  });
  const response = await session.must("Auth/RoleRevokePermission", answer);
  const words = `${revokedRange(keys[0] ?? "", rangeEnd)} is revoked from role ${role}`;
  show(call, plainView(AuthRoleRevokePermissionResponse, response, words));
}

function revokedRange(key: string, rangeEnd: string): string {
  if (rangeEnd === "") return `Permission of key ${key}`;
  if (rangeEnd === "\0") return `Permission of range [${key}, <open ended>`;
  return `Permission of range [${key}, ${rangeEnd})`;
}

/** An empty key begins at the smallest; a range end of one zero byte is open. */
function permissionRange(
  { flags }: Invocation,
  [key = "", endKey]: readonly string[],
): { key: string; rangeEnd: string } {
  const isPrefix = flags.bool("prefix");
  const isFromKey = flags.bool("from-key");
  const refuse = (why: string): never => exitWithError(ExitCode.BAD_ARGS, why);
  if (isPrefix && isFromKey && (key === "" || endKey === undefined)) {
    refuse("--from-key and --prefix flags are mutually exclusive");
  }
  if (key === "") return { key: "\0", rangeEnd: isPrefix || isFromKey ? "\0" : "" };
  if (endKey === undefined) {
    if (isPrefix) return { key, rangeEnd: textOfBytes(prefixEnd(bytesOfText(key))) };
    return { key, rangeEnd: isFromKey ? "\0" : "" };
  }
  if (isPrefix) refuse("unexpected endkey argument with --prefix flag");
  if (isFromKey) refuse("unexpected endkey argument with --from-key flag");
  return { key, rangeEnd: endKey };
}
