/** Commands on authentication: auth, user, role. */
import type { CommandRun, CommandSpec } from "../framework/command.ts";
import type { FlagSpec } from "../framework/flags.ts";
import { bool, string } from "./flag-rows.ts";

type Loader = () => Promise<CommandRun>;

function row(
  use: string,
  short: string,
  load: Loader,
  flags: readonly FlagSpec[] = [],
): CommandSpec {
  return { use, short, load, flags };
}

export const AUTH_ROWS: CommandSpec = {
  use: "auth <enable or disable>",
  short: "Enable or disable authentication",
  commands: [
    row(
      "enable",
      "Enables authentication",
      async () => (await import("./commands/auth.ts")).authEnable,
    ),
    row(
      "disable",
      "Disables authentication",
      async () => (await import("./commands/auth.ts")).authDisable,
    ),
    row(
      "status",
      "Returns authentication status",
      async () => (await import("./commands/auth.ts")).authStatus,
    ),
  ],
};

export const USER_ROWS: CommandSpec = {
  use: "user <subcommand>",
  short: "User related commands",
  commands: [
    row(
      "add <user name or user:password> [options]",
      "Adds a new user",
      async () => (await import("./commands/user.ts")).userAdd,
      [
        bool("interactive", "Read password from stdin instead of interactive terminal", true),
        string("new-user-password", "", "Supply password from the command line flag"),
        bool("no-password", "Create a user without password (CN based auth only)"),
      ],
    ),
    row(
      "delete <user name>",
      "Deletes a user",
      async () => (await import("./commands/user.ts")).userDelete,
    ),
    row(
      "get <user name> [options]",
      "Gets detailed information of a user",
      async () => (await import("./commands/user.ts")).userGet,
      [bool("detail", "Show permissions of roles granted to the user")],
    ),
    row("list", "Lists all users", async () => (await import("./commands/user.ts")).userList),
    row(
      "passwd <user name> [options]",
      "Changes password of user",
      async () => (await import("./commands/user.ts")).userPasswd,
      [
        bool(
          "interactive",
          "If true, read password from stdin instead of interactive terminal",
          true,
        ),
      ],
    ),
    row(
      "grant-role <user name> <role name>",
      "Grants a role to a user",
      async () => (await import("./commands/user.ts")).userGrantRole,
    ),
    row(
      "revoke-role <user name> <role name>",
      "Revokes a role from a user",
      async () => (await import("./commands/user.ts")).userRevokeRole,
    ),
  ],
};

function rangeFlags(verb: "grant" | "revoke"): FlagSpec[] {
  return [
    bool("prefix", `${verb} a prefix permission`),
    bool(
      "from-key",
      `${verb} a permission of keys that are greater than or equal to the given key using byte compare`,
    ),
  ];
}

export const ROLE_ROWS: CommandSpec = {
  use: "role <subcommand>",
  short: "Role related commands",
  commands: [
    row(
      "add <role name>",
      "Adds a new role",
      async () => (await import("./commands/role.ts")).roleAdd,
    ),
    row(
      "delete <role name>",
      "Deletes a role",
      async () => (await import("./commands/role.ts")).roleDelete,
    ),
    row(
      "get <role name>",
      "Gets detailed information of a role",
      async () => (await import("./commands/role.ts")).roleGet,
    ),
    row("list", "Lists all roles", async () => (await import("./commands/role.ts")).roleList),
    row(
      "grant-permission [options] <role name> <permission type> <key> [endkey]",
      "Grants a key to a role",
      async () => (await import("./commands/role.ts")).roleGrantPermission,
      rangeFlags("grant"),
    ),
    row(
      "revoke-permission <role name> <key> [endkey]",
      "Revokes a key from a role",
      async () => (await import("./commands/role.ts")).roleRevokePermission,
      rangeFlags("revoke"),
    ),
  ],
};
