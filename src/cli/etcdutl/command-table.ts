/** The commands of etcdutl. Those of etcd come with its words; `verify` and `dump` are our own. */
import type { CommandSpec, Invocation } from "../framework/command.ts";
import type { FlagSpec } from "../framework/flags.ts";
import { completionCommand } from "../framework/shell/completion-command.ts";
import type { UtilityWorld } from "./deps.ts";
import { count, directory, restoreFlags, switchFlag, text } from "./flag-rows.ts";

const WRITE_OUT: FlagSpec = {
  name: "write-out",
  short: "w",
  kind: "string",
  default: "simple",
  usage: "set the output format (fields, json, protobuf, simple, table)",
  values: ["fields", "json", "protobuf", "simple", "table"],
};

function oneArgument(args: readonly string[]): string | undefined {
  return args.length === 1 ? undefined : `accepts 1 arg(s), received ${args.length}`;
}

function noMoreThanOne(args: readonly string[]): string | undefined {
  return args.length <= 1 ? undefined : `accepts at most 1 arg(s), received ${args.length}`;
}

export function etcdutlTable(world: UtilityWorld): CommandSpec {
  return {
    use: "etcdutl",
    short: "An administrative command line tool for etcd3.",
    persistentFlags: [WRITE_OUT],
    commands: [
      defragCommand(world),
      snapshotCommands(world),
      hashKvCommand(world),
      {
        use: "version",
        short: "Prints the version of etcdutl",
        load: async () => printVersion,
      },
      completionCommand("etcdutl"),
      migrateCommand(world),
      backupCommand(world),
      checkCommands(world),
      verifyCommand(world),
      dumpCommands(world),
    ],
  };
}

async function printVersion({ io, about }: Invocation): Promise<void> {
  io.out(`etcdutl version: ${about.version}\nAPI version: ${about.apiVersion}\n`);
}

function defragCommand(world: UtilityWorld): CommandSpec {
  const usage = "Required. Defragments a data directory not in use by etcd.";
  return {
    use: "defrag",
    short: "Defragments the storage of the etcd",
    flags: [{ ...directory("data-dir", usage), required: true }],
    load: async () => {
      const { runDefrag } = await import("./commands.ts");
      return async (call) => runDefrag(call, await world(call));
    },
  };
}

function hashKvCommand(world: UtilityWorld): CommandSpec {
  return {
    use: "hashkv <filename>",
    short: "Prints the KV history hash of a given file",
    checkArgs: oneArgument,
    flags: [
      {
        name: "rev",
        kind: "int",
        default: "0",
        usage: "maximum revision to hash (default: latest revision)",
      },
    ],
    load: async () => {
      const { runHashKv } = await import("./commands.ts");
      return async (call) => runHashKv(call, await world(call));
    },
  };
}

function migrateCommand(world: UtilityWorld): CommandSpec {
  const target =
    "Target etcd version to migrate contents of data dir. Minimal value 3.5. " +
    'Format "X.Y" for example 3.6.';
  const force =
    "Ignore migration failure and forcefully override storage version. Not recommended.";
  return {
    use: "migrate",
    short:
      "Migrates schema of etcd data dir files to make them compatible with different etcd version",
    flags: [
      { ...directory("data-dir", "Path to the etcd data dir"), required: true },
      { ...text("target-version", target), required: true },
      switchFlag("force", force),
    ],
    load: async () => {
      const { runMigrate } = await import("./commands.ts");
      return async (call) => runMigrate(call, await world(call));
    },
  };
}

function snapshotCommands(world: UtilityWorld): CommandSpec {
  return {
    use: "snapshot <subcommand>",
    short: "Manages etcd node snapshots",
    commands: [
      {
        use: "restore <filename> --data-dir {output dir} [options]",
        short: "Restores an etcd member snapshot to an etcd directory",
        flags: restoreFlags("Path to the output data directory"),
        load: async () => {
          const { runRestore } = await import("./restore-command.ts");
          return async (call) => runRestore(call, await world(call));
        },
      },
      {
        use: "status <filename>",
        short: "Gets backend snapshot status of a given file",
        load: async () => {
          const { runStatus } = await import("./commands.ts");
          return async (call) => runStatus(call, await world(call));
        },
      },
    ],
  };
}

function backupCommand(world: UtilityWorld): CommandSpec {
  return {
    use: "backup",
    short: "[legacy] offline backup of etcd directory",
    long: "Prefer: `etcdctl snapshot save` instead.",
    flags: [
      { ...directory("data-dir", "Path to the etcd data dir"), required: true },
      directory("wal-dir", "Path to the etcd wal dir"),
      { ...directory("backup-dir", "Path to the backup dir"), required: true },
      text("backup-wal-dir", "Path to the backup wal dir"),
      { ...switchFlag("with-v3", "Backup v3 backend data"), default: "true" },
    ],
    load: async () => {
      const { runBackup } = await import("./commands.ts");
      return async (call) => runBackup(call, await world(call));
    },
  };
}

function checkCommands(world: UtilityWorld): CommandSpec {
  const dataDir = "Required. A data directory not in use by etcd.";
  return {
    use: "check <subcommand>",
    short: "commands for checking properties",
    commands: [
      {
        use: "v2store",
        short: "Check custom content in v2store",
        flags: [
          { ...directory("data-dir", dataDir), required: true },
          directory("wal-dir", "Optional. A dedicated WAL directory."),
        ],
        load: async () => {
          const { runCheckV2Store } = await import("./commands.ts");
          return async (call) => runCheckV2Store(call, await world(call));
        },
      },
    ],
  };
}

function verifyCommand(world: UtilityWorld): CommandSpec {
  return {
    use: "verify [filename]",
    short: "Verifies the files of a stopped member, or a snapshot file, and names what is damaged",
    checkArgs: noMoreThanOne,
    flags: [
      directory("data-dir", "Path to the data directory of a member that is not running"),
      directory("wal-dir", "Path to the WAL directory (use --data-dir if none given)"),
    ],
    load: async () => {
      const { runVerify } = await import("./commands.ts");
      return async (call) => runVerify(call, await world(call));
    },
  };
}

function dumpCommands(world: UtilityWorld): CommandSpec {
  const limit = count("limit", "Print at most so many lines (0: all)");
  const hashes = switchFlag("show-hashes", "Print the hashes of users' passwords");
  return {
    use: "dump <subcommand>",
    short: "Prints what is in a WAL or db for people to read",
    commands: [
      {
        use: "wal <data-dir, wal-dir or segment>",
        short: "Prints the records of a WAL with their offsets",
        checkArgs: oneArgument,
        flags: [
          count("from", "First entry, by its index"),
          count("to", "Last entry, by its index (0: the end)"),
          text("kind", "Only these kinds of records (metadata, entry, state, crc, snapshot)"),
          limit,
          hashes,
        ],
        load: async () => {
          const { runDumpLog } = await import("./commands.ts");
          return async (call) => runDumpLog(call, await world(call));
        },
      },
      {
        use: "db <data-dir, db or snapshot file>",
        short: "Prints the entries of a db, bucket by bucket",
        checkArgs: oneArgument,
        flags: [
          text("bucket", "Only these buckets, such as key,lease,members"),
          text("prefix", "Of the key bucket: keys with this beginning"),
          count("from", "Of the key bucket: first revision"),
          count("to", "Of the key bucket: last revision (0: the end)"),
          limit,
          hashes,
        ],
        load: async () => {
          const { runDumpDb } = await import("./commands.ts");
          return async (call) => runDumpDb(call, await world(call));
        },
      },
    ],
  };
}
