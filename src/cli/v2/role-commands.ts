/** Commands about roles and what they permit. */
import type { Action } from "./actions.ts";
import type { ActionName } from "./command-table.ts";
import { cleanPath } from "./address.ts";
import type { Access, Role } from "./auth-api.ts";
import type { Session } from "./session.ts";
import { openAuth, refuseArgs, resultOf } from "./user-commands.ts";

function requireRole(session: Session): string {
  const [role] = session.args;
  return role === undefined || session.args.length > 1
    ? session.refuse("Please provide a role name")
    : role;
}

const roleList: Action = async (session) => {
  refuseArgs(session);
  const api = await openAuth(session);
  const roles = await resultOf(session, api.roles(session.deadline()));
  for (const role of roles) session.io.out(`${role}\n`);
};

const roleAdd: Action = async (session) => {
  const role = requireRole(session);
  const api = await openAuth(session);
  const deadline = session.deadline();
  const isKnown = await api.role(role, deadline).then(
    () => true,
    () => false,
  );
  if (isKnown) session.refuse(`Role ${role} already exists`);
  await resultOf(session, api.addRole(role, deadline));
  session.io.out(`Role ${role} created\n`);
};

const roleRemove: Action = async (session) => {
  const role = requireRole(session);
  const api = await openAuth(session);
  await resultOf(session, api.removeRole(role, session.deadline()));
  session.io.out(`Role ${role} removed\n`);
};

const roleGet: Action = async (session) => {
  const name = requireRole(session);
  const api = await openAuth(session);
  const { role, read, write } = await resultOf(session, api.role(name, session.deadline()));
  session.io.out(`Role: ${role}\nKV Read:\n`);
  for (const path of read) session.io.out(`\t${path}\n`);
  session.io.out("KV Write:\n");
  for (const path of write) session.io.out(`\t${path}\n`);
};

/** Exactly one of the three flags. */
function requireAccess(session: Session): Access {
  const [read, write, both] = ["read", "write", "readwrite"].map((name) =>
    session.flags.bool(name),
  );
  if ([read, write, both].filter((given) => given === true).length !== 1) {
    session.refuse("Please specify exactly one of --read, --write or --readwrite");
  }
  return { read: read === true || both === true, write: write === true || both === true };
}

function requirePath(session: Session): string {
  const path = session.flags.string("path");
  if (path === "") session.refuse("No path specified; please use `--path`");
  const clean = cleanPath(path);
  if (clean !== path) session.refuse(`Not canonical path; please use \`--path=${clean}\``);
  return path;
}

async function changeAccess(session: Session, how: "grant" | "revoke"): Promise<void> {
  const path = requirePath(session);
  const access = requireAccess(session);
  const name = requireRole(session);
  const api = await openAuth(session);
  const deadline = session.deadline();
  const before = await resultOf(session, api.role(name, deadline));
  const after = await resultOf(session, api.changeAccess(name, how, path, access, deadline));
  if (isSame(before, after)) {
    session.io.out(`Role unchanged; already ${how === "grant" ? "granted" : "revoked"}`);
  }
  session.io.out(`Role ${name} updated\n`);
}

function isSame(a: Role, b: Role): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

const roleGrant: Action = (session) => changeAccess(session, "grant");
const roleRevoke: Action = (session) => changeAccess(session, "revoke");

/** By the names of the command table. */
export const ROLE_ACTIONS = {
  roleAdd,
  roleGet,
  roleList,
  roleRemove,
  roleGrant,
  roleRevoke,
} satisfies Partial<Record<ActionName, Action>>;
