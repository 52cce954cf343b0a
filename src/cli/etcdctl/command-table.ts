/**
 * Every command of etcdctl with its flags and the words of its help. Each row names the module that
 * carries it out; a run loads that one only.
 */
import type { CommandSpec } from "../framework/command.ts";
import type { FlagSpec } from "../framework/flags.ts";
import { completionCommand } from "../framework/shell/completion-command.ts";
import type { UtilityWorld } from "../etcdutl/deps.ts";
import { AUTH_ROWS, ROLE_ROWS, USER_ROWS } from "./auth-rows.ts";
import { clusterRows } from "./cluster-rows.ts";
import { bool, duration, int, string } from "./flag-rows.ts";
import { INSIGHT_ROWS } from "./insight-rows.ts";
import { KEY_ROWS } from "./key-rows.ts";
import { COORDINATION_ROWS, LEASE_ROW } from "./lease-rows.ts";
import { TLS_ROWS } from "./tls-rows.ts";

const FORMATS = ["fields", "json", "protobuf", "simple", "table"];

const GLOBAL_FLAGS: readonly FlagSpec[] = [
  {
    name: "endpoints",
    kind: "strings",
    default: "[127.0.0.1:2379]",
    usage: "gRPC endpoints",
  },
  bool("debug", "enable client-side debug logging"),
  {
    name: "write-out",
    short: "w",
    kind: "string",
    default: "simple",
    usage: "set the output format (fields, json, protobuf, simple, table)",
    values: FORMATS,
  },
  bool("hex", "print byte strings as hex encoded strings"),
  duration("dial-timeout", "2s", "dial timeout for client connections"),
  duration("command-timeout", "5s", "timeout for short running command (excluding dial timeout)"),
  duration("keepalive-time", "2s", "keepalive time for client connections"),
  duration("keepalive-timeout", "6s", "keepalive timeout for client connections"),
  int(
    "max-request-bytes",
    "client-side request send limit in bytes (if 0, it defaults to 2.0 MiB (2 * 1024 * 1024).)",
  ),
  int(
    "max-recv-bytes",
    'client-side response receive limit in bytes (if 0, it defaults to "math.MaxInt32")',
  ),
  bool("insecure-transport", "disable transport security for client connections", true),
  bool("insecure-discovery", "accept insecure SRV records describing cluster endpoints", true),
  bool(
    "insecure-skip-tls-verify",
    "skip server certificate verification (CAUTION: this option should be enabled only for testing purposes)",
  ),
  string("cert", "", "identify secure client using this TLS certificate file"),
  string("key", "", "identify secure client using this TLS key file"),
  string("cacert", "", "verify certificates of TLS-enabled secure servers using this CA bundle"),
  string("user", "", "username[:password] for authentication (prompt if password is not supplied)"),
  string(
    "password",
    "",
    "password for authentication (if this option is used, --user option shouldn't include password)",
  ),
  {
    ...string(
      "discovery-srv",
      "",
      "domain name to query for SRV records describing cluster endpoints",
    ),
    short: "d",
  },
  string("discovery-srv-name", "", "service name to query when using DNS discovery"),
];

/** The tool. `world` is what its commands on files are given. */
export const etcdctlTable = (world: UtilityWorld): CommandSpec => ({
  use: "etcdctl",
  short: "A simple command line client for etcd3.",
  persistentFlags: GLOBAL_FLAGS,
  // In this order unknown commands are compared with known ones.
  commands: [
    ...KEY_ROWS,
    ...clusterRows(world),
    LEASE_ROW,
    ...COORDINATION_ROWS,
    AUTH_ROWS,
    USER_ROWS,
    ROLE_ROWS,
    TLS_ROWS,
    ...INSIGHT_ROWS,
    completionCommand("etcdctl"),
    {
      use: "version",
      short: "Prints the version of etcdctl",
      load:
        async () =>
        async ({ io, about }) =>
          io.out(`etcdctl version: ${about.version}\nAPI version: ${about.apiVersion}\n`),
    },
  ],
});
