/** The commands of etcd-cluster and the words of its help. */
import type { CommandSpec, Invocation } from "../framework/command.ts";
import type { FlagSpec } from "../framework/flags.ts";
import { completionCommand } from "../framework/shell/completion-command.ts";
import type { LauncherDeps } from "./launcher-deps.ts";

/** Makes what a command needs of the world, once it is clear that it runs. */
export type LauncherWorld = () => Promise<LauncherDeps>;

function text(name: string, usage: string, value = ""): FlagSpec {
  return { name, kind: "string", default: value, usage };
}

function switchFlag(name: string, usage: string): FlagSpec {
  return { name, kind: "bool", default: "false", usage };
}

function count(name: string, usage: string, value: string): FlagSpec {
  return { name, kind: "uint", default: value, usage };
}

const PERSISTENT_FLAGS: readonly FlagSpec[] = [
  {
    name: "procfile",
    short: "f",
    kind: "string",
    default: "Procfile",
    usage: "Run the processes of this file instead of members of our own",
  },
  text("instance", "Name of the running cluster, to tell several on one machine apart", "default"),
];

export function clusterTable(world: LauncherWorld): CommandSpec {
  return {
    use: "etcd-cluster",
    short: "Runs a local etcd cluster, or the processes of a Procfile, in one terminal.",
    persistentFlags: PERSISTENT_FLAGS,
    commands: [
      startCommand(world),
      {
        use: "status",
        short: "Shows each process, and what the member behind it says of itself",
        checkArgs: noArguments,
        load: async () => {
          const { status } = await import("./steer.ts");
          return async (call) => status(call, await world());
        },
      },
      {
        use: "stop",
        short: "Stops all processes, and the command that started them",
        checkArgs: (args) =>
          args.length === 0 ? undefined : "stop ends everything; `run stop` stops one process",
        load: async () => {
          const { stop } = await import("./steer.ts");
          return async (call) => stop(call, await world());
        },
      },
      runCommand(world),
      {
        use: "check",
        short: "Reads the Procfile and names its processes",
        checkArgs: noArguments,
        load: async () => {
          const { check } = await import("./steer.ts");
          return async (call) => check(call);
        },
      },
      {
        use: "version",
        short: "Prints the version of etcd-cluster",
        load: async () => printVersion,
      },
      completionCommand("etcd-cluster"),
    ],
  };
}

function noArguments(args: readonly string[]): string | undefined {
  return args.length === 0 ? undefined : `accepts no arguments, received ${args.length}`;
}

async function printVersion({ io, about }: Invocation): Promise<void> {
  io.out(`etcd-cluster version: ${about.version}\nAPI version: ${about.apiVersion}\n`);
}

function startCommand(world: LauncherWorld): CommandSpec {
  return {
    use: "start [process...] [-- flags of etcd]",
    short: "Starts all processes, or those named, and shows their logs until Ctrl-C",
    flags: [
      count("size", "Members of the cluster", "3"),
      count("port", "Client port of the first member; its peer port is the next one", "12379"),
      count("port-step", "From one member's ports to the next one's", "10000"),
      text("data-dir", "Folder of the members' data, kept for the next start", "cluster.etcd"),
      switchFlag("temporary", "Keep the data in a temporary folder, removed at the end"),
      switchFlag("auto-tls", "https everywhere, with certificates that the members make"),
      text("cert-file", "https everywhere, with this certificate for 127.0.0.1"),
      text("key-file", "Key of --cert-file"),
      text("trusted-ca-file", "Authority that has signed --cert-file"),
      text("binary", "The etcd to run, instead of this installation's"),
      text("basedir", "Run the processes in this folder", "."),
      switchFlag("raw", "Show lines as the processes write them"),
      { ...text("color", "Colours (auto, always, never)", "auto"), values: COLOUR_CHOICES },
    ],
    load: async () => {
      const { start } = await import("./start.ts");
      return async (call) => start(call, await world());
    },
  };
}

const COLOUR_CHOICES: readonly string[] = ["auto", "always", "never"];

function runCommand(world: LauncherWorld): CommandSpec {
  return {
    use: "run <command> [process...]",
    short: "Tells the running cluster: list, status, start, stop, pause, kill, partition, heal ...",
    flags: [switchFlag("watch", "With status: where each member's raft stands, until Ctrl-C")],
    checkArgs: (args) => (args.length === 0 ? "needs a command, such as list" : undefined),
    validArgs: [
      ...["heal", "kill", "list", "load", "logs", "partition", "pause", "restart", "restart-all"],
      ...["resume", "slow", "start", "status", "stop", "stop-all", "timeline"],
    ],
    load: async () => {
      const { run } = await import("./steer.ts");
      return async (call) => run(call, await world());
    },
  };
}
