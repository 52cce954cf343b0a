/**
 * What the command line of API 2 knows: commands, their flags, and the words of their help pages.
 * The texts are those that users of etcd 3.4 know.
 */

export type FlagKind = "bool" | "int" | "string" | "duration" | "list";

export interface FlagRow {
  /** The long name first. */
  readonly names: readonly string[];
  readonly kind: FlagKind;
  readonly usage: string;
  /** As the help page shows it; absent where there is none. */
  readonly default?: string;
  /** What the help page shows for a value; default "value". */
  readonly placeholder?: string;
}

/** Names of the functions that carry commands out; `run.ts` knows their modules. */
export type ActionName =
  | "backup"
  | "clusterHealth"
  | "mk"
  | "mkdir"
  | "rm"
  | "rmdir"
  | "get"
  | "ls"
  | "set"
  | "setdir"
  | "update"
  | "updatedir"
  | "watch"
  | "execWatch"
  | "memberList"
  | "memberAdd"
  | "memberRemove"
  | "memberUpdate"
  | "userAdd"
  | "userGet"
  | "userList"
  | "userRemove"
  | "userGrant"
  | "userRevoke"
  | "userPasswd"
  | "roleAdd"
  | "roleGet"
  | "roleList"
  | "roleRemove"
  | "roleGrant"
  | "roleRevoke"
  | "authEnable"
  | "authDisable";

export interface CommandRow {
  readonly name: string;
  readonly usage: string;
  /** Absent for a group. */
  readonly args?: string;
  readonly description?: string;
  readonly flags?: readonly FlagRow[];
  readonly action?: ActionName;
  readonly commands?: readonly CommandRow[];
}

const bool = (names: string, usage: string): FlagRow => ({
  names: names.split(", "),
  kind: "bool",
  usage,
});

const text = (names: string, usage: string): FlagRow => ({
  names: names.split(", "),
  kind: "string",
  usage,
});

const int = (name: string, usage: string): FlagRow => ({
  names: [name],
  kind: "int",
  usage,
  default: "0",
});

const TTL = int("ttl", "key time-to-live in seconds");
const SORT = bool("sort", "returns result in sorted order");
const QUORUM = bool("quorum, q", "require quorum for get request");
const AFTER_INDEX = int("after-index", "watch after the given index");
const NO_ARGS = " ";

export const GLOBAL_FLAGS: readonly FlagRow[] = [
  bool("debug", "output cURL commands which can be used to reproduce the request"),
  bool("no-sync", "don't synchronize cluster information before sending request"),
  {
    names: ["output", "o"],
    kind: "string",
    usage: "output response in the given format (simple, `extended` or `json`)",
    default: '"simple"',
    placeholder: "simple",
  },
  text("discovery-srv, D", "domain name to query for SRV records describing cluster endpoints"),
  bool("insecure-discovery", "accept insecure SRV records describing cluster endpoints"),
  text("peers, C", 'DEPRECATED - "--endpoints" should be used instead'),
  text("endpoint", 'DEPRECATED - "--endpoints" should be used instead'),
  text(
    "endpoints",
    "a comma-delimited list of machine addresses in the cluster " +
      '(default: "http://127.0.0.1:2379,http://127.0.0.1:4001")',
  ),
  text("cert-file", "identify HTTPS client using this SSL certificate file"),
  text("key-file", "identify HTTPS client using this SSL key file"),
  text("ca-file", "verify certificates of HTTPS-enabled servers using this CA bundle"),
  text("username, u", "provide username[:password] and prompt if password is not supplied."),
  {
    names: ["timeout"],
    kind: "duration",
    usage: "connection timeout per request",
    default: "2s",
  },
  {
    names: ["total-timeout"],
    kind: "duration",
    usage: "timeout for the command execution (except watch)",
    default: "5s",
  },
];

export const HELP_FLAG: FlagRow = bool("help, h", "show help");
export const VERSION_FLAG: FlagRow = bool("version, v", "print the version");

const SET_DESCRIPTION = `Set sets the value of a key.

   When <value> begins with '-', <value> is interpreted as a flag.
   Insert '--' for workaround:

   $ set -- <key> <value>`;

const KEY_COMMANDS: readonly CommandRow[] = [
  {
    name: "mk",
    usage: "make a new key with a given value",
    args: "<key> <value>",
    flags: [bool("in-order", "create in-order key under directory <key>"), TTL],
    action: "mk",
  },
  { name: "mkdir", usage: "make a new directory", args: "<key>", flags: [TTL], action: "mkdir" },
  {
    name: "rm",
    usage: "remove a key or a directory",
    args: "<key>",
    flags: [
      bool("dir", "removes the key if it is an empty directory or a key-value pair"),
      bool("recursive, r", "removes the key and all child keys(if it is a directory)"),
      text("with-value", "previous value"),
      int("with-index", "previous index"),
    ],
    action: "rm",
  },
  {
    name: "rmdir",
    usage: "removes the key if it is an empty directory or a key-value pair",
    args: "<key>",
    action: "rmdir",
  },
  {
    name: "get",
    usage: "retrieve the value of a key",
    args: "<key>",
    flags: [SORT, QUORUM],
    action: "get",
  },
  {
    name: "ls",
    usage: "retrieve a directory",
    args: "[key]",
    flags: [
      SORT,
      bool("recursive, r", "returns all key names recursively for the given path"),
      bool("p", "append slash (/) to directories"),
      QUORUM,
    ],
    action: "ls",
  },
  {
    name: "set",
    usage: "set the value of a key",
    args: "<key> <value>",
    description: SET_DESCRIPTION,
    flags: [
      TTL,
      text("swap-with-value", "previous value"),
      int("swap-with-index", "previous index"),
    ],
    action: "set",
  },
  {
    name: "setdir",
    usage: "create a new directory or update an existing directory TTL",
    args: "<key>",
    flags: [TTL],
    action: "setdir",
  },
  {
    name: "update",
    usage: "update an existing key with a given value",
    args: "<key> <value>",
    flags: [TTL],
    action: "update",
  },
  {
    name: "updatedir",
    usage: "update an existing directory",
    args: "<key> <value>",
    flags: [TTL],
    action: "updatedir",
  },
  {
    name: "watch",
    usage: "watch a key for changes",
    args: "<key>",
    flags: [
      bool("forever, f", "forever watch a key until CTRL+C"),
      AFTER_INDEX,
      bool("recursive, r", "returns all values for key and child keys"),
    ],
    action: "watch",
  },
  {
    name: "exec-watch",
    usage: "watch a key for changes and exec an executable",
    args: "<key> <command> [args...]",
    flags: [AFTER_INDEX, bool("recursive, r", "watch all values for key and child keys")],
    action: "execWatch",
  },
];

const MEMBER_COMMANDS: readonly CommandRow[] = [
  {
    name: "list",
    usage: "enumerate existing cluster members",
    args: NO_ARGS,
    action: "memberList",
  },
  {
    name: "add",
    usage: "add a new member to the etcd cluster",
    args: "<name> <peerURL>",
    action: "memberAdd",
  },
  {
    name: "remove",
    usage: "remove an existing member from the etcd cluster",
    args: "<memberID>",
    action: "memberRemove",
  },
  {
    name: "update",
    usage: "update an existing member in the etcd cluster",
    args: "<memberID> <peerURLs>",
    action: "memberUpdate",
  },
];

const ROLES: FlagRow = {
  names: ["roles"],
  kind: "list",
  usage: "List of roles to grant or revoke",
};

const USER_COMMANDS: readonly CommandRow[] = [
  { name: "add", usage: "add a new user for the etcd cluster", args: "<user>", action: "userAdd" },
  { name: "get", usage: "get details for a user", args: "<user>", action: "userGet" },
  { name: "list", usage: "list all current users", args: "<user>", action: "userList" },
  {
    name: "remove",
    usage: "remove a user for the etcd cluster",
    args: "<user>",
    action: "userRemove",
  },
  {
    name: "grant",
    usage: "grant roles to an etcd user",
    args: "<user>",
    flags: [ROLES],
    action: "userGrant",
  },
  {
    name: "revoke",
    usage: "revoke roles for an etcd user",
    args: "<user>",
    flags: [ROLES],
    action: "userRevoke",
  },
  { name: "passwd", usage: "change password for a user", args: "<user>", action: "userPasswd" },
];

const accessFlags = (verb: string, past: string): readonly FlagRow[] => [
  text("path", `Path ${past} for the role to access`),
  bool("read", `${verb} read${verb === "Grant" ? "-only" : ""} access`),
  bool("write", `${verb} write${verb === "Grant" ? "-only" : ""} access`),
  bool("readwrite, rw", `${verb} read-write access`),
];

const ROLE_COMMANDS: readonly CommandRow[] = [
  { name: "add", usage: "add a new role for the etcd cluster", args: "<role> ", action: "roleAdd" },
  { name: "get", usage: "get details for a role", args: "<role>", action: "roleGet" },
  { name: "list", usage: "list all roles", args: NO_ARGS, action: "roleList" },
  {
    name: "remove",
    usage: "remove a role from the etcd cluster",
    args: "<role>",
    action: "roleRemove",
  },
  {
    name: "grant",
    usage: "grant path matches to an etcd role",
    args: "<role>",
    flags: accessFlags("Grant", "granted"),
    action: "roleGrant",
  },
  {
    name: "revoke",
    usage: "revoke path matches for an etcd role",
    args: "<role>",
    flags: accessFlags("Revoke", "revoked"),
    action: "roleRevoke",
  },
];

export const COMMANDS: readonly CommandRow[] = [
  {
    name: "backup",
    usage: "backup an etcd directory",
    args: NO_ARGS,
    flags: [
      text("data-dir", "Path to the etcd data dir"),
      text("wal-dir", "Path to the etcd wal dir"),
      text("backup-dir", "Path to the backup dir"),
      text("backup-wal-dir", "Path to the backup wal dir"),
      bool("with-v3", "Backup v3 backend data"),
    ],
    action: "backup",
  },
  {
    name: "cluster-health",
    usage: "check the health of the etcd cluster",
    args: NO_ARGS,
    flags: [bool("forever, f", "forever check the health every 10 second until CTRL+C")],
    action: "clusterHealth",
  },
  ...KEY_COMMANDS,
  {
    name: "member",
    usage: "member add, remove and list subcommands",
    commands: MEMBER_COMMANDS,
  },
  { name: "user", usage: "user add, grant and revoke subcommands", commands: USER_COMMANDS },
  { name: "role", usage: "role add, grant and revoke subcommands", commands: ROLE_COMMANDS },
  {
    name: "auth",
    usage: "overall auth controls",
    commands: [
      {
        name: "enable",
        usage: "enable auth access controls",
        args: NO_ARGS,
        action: "authEnable",
      },
      {
        name: "disable",
        usage: "disable auth access controls",
        args: NO_ARGS,
        action: "authDisable",
      },
    ],
  },
];
