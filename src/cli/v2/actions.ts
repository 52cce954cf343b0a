/** What carries out a command: it prints, and throws CliExit to end with a failure. */
import type { ActionName } from "./command-table.ts";
import type { Session } from "./session.ts";

export type Action = (session: Session) => Promise<void>;

/** Loads only what the command needs. */
export async function loadAction(name: ActionName): Promise<Action> {
  switch (name) {
    case "backup":
      return (await import("./backup.ts")).backup;
    case "clusterHealth":
      return (await import("./cluster-health.ts")).clusterHealth;
    case "watch":
    case "execWatch":
      return (await import("./watch-commands.ts")).WATCH_ACTIONS[name];
    case "memberList":
    case "memberAdd":
    case "memberRemove":
    case "memberUpdate":
      return (await import("./member-commands.ts")).MEMBER_ACTIONS[name];
    case "userAdd":
    case "userGet":
    case "userList":
    case "userRemove":
    case "userGrant":
    case "userRevoke":
    case "userPasswd":
    case "authEnable":
    case "authDisable":
      return (await import("./user-commands.ts")).USER_ACTIONS[name];
    case "roleAdd":
    case "roleGet":
    case "roleList":
    case "roleRemove":
    case "roleGrant":
    case "roleRevoke":
      return (await import("./role-commands.ts")).ROLE_ACTIONS[name];
    default:
      return (await import("./key-commands.ts")).KEY_ACTIONS[name];
  }
}
