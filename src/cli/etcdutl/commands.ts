/** What each command of etcdutl does with its flags: call, print, exit code. */
import type { Invocation } from "../framework/command.ts";
import { CliExit, ExitCode, exitWithError } from "../framework/exit.ts";
import { backupMember } from "./backup.ts";
import { checkV2Store } from "./check-v2store.ts";
import { defragmentDataDirectory } from "./defrag.ts";
import type { UtilityDeps } from "./deps.ts";
import { dumpDb } from "./dump-db.ts";
import { dumpLog, RECORD_KINDS } from "./dump-log.ts";
import { hashFile } from "./hash-kv.ts";
import { memberPaths, requireFile } from "./member-paths.ts";
import { migrate, parseTargetVersion } from "./migrate.ts";
import { formatRow, hashRow, outputFormat, statusRow } from "./outcome.ts";
import { onlyArgument, orExit, reasonOf } from "./refusal.ts";
import { snapshotStatus } from "./snapshot-status.ts";
import type { VerifyReport } from "./verify/report.ts";
import { verifyDataDirectory, verifySnapshot } from "./verify/verify.ts";

type Command = (call: Invocation, deps: UtilityDeps) => Promise<void>;

export const runStatus: Command = async (call, deps) => {
  const path = onlyArgument(call, "snapshot status");
  await orExit(async () => requireFile(deps.disk, path));
  const format = outputFormat(call);
  const status = await orExit(() => snapshotStatus(deps, path));
  call.io.out(formatRow(statusRow(status), format));
};

export const runHashKv: Command = async (call, deps) => {
  const format = outputFormat(call);
  const revision = call.flags.number("rev");
  const hash = await orExit(() => hashFile(deps, call.args[0] ?? "", revision));
  call.io.out(formatRow(hashRow(hash), format));
};

export const runDefrag: Command = async ({ flags }, deps) => {
  const directory = flags.string("data-dir");
  try {
    await defragmentDataDirectory(deps, directory);
  } catch (error) {
    const reason = reasonOf(error);
    exitWithError(ExitCode.ERROR, `Failed to defragment etcd data[${directory}] (${reason})`);
  }
};

export const runMigrate: Command = async ({ flags }, deps) => {
  const target = await orExit(
    async () => parseTargetVersion(flags.string("target-version")),
    ExitCode.BAD_ARGS,
  );
  const options = { dataDirectory: flags.string("data-dir"), target, force: flags.bool("force") };
  await orExit(async () => {
    requireFile(deps.disk, memberPaths(deps.disk, options.dataDirectory).db);
    await migrate(deps, options);
  });
};

export const runBackup: Command = async ({ flags }, deps) => {
  const options = {
    dataDirectory: flags.string("data-dir"),
    walDirectory: flags.string("wal-dir"),
    backupDirectory: flags.string("backup-dir"),
    backupWalDirectory: flags.string("backup-wal-dir"),
    withV3: flags.bool("with-v3"),
  };
  await orExit(async () => {
    requireFile(deps.disk, memberPaths(deps.disk, options.dataDirectory).db);
    await backupMember(deps, options, (text) => deps.logger.info(text));
  });
};

export const runCheckV2Store: Command = async ({ flags, io }, deps) => {
  await orExit(async () => checkV2Store(deps, flags.string("data-dir"), flags.string("wal-dir")));
  io.out("No custom content found in both v2store and WAL records.\n");
};

export const runVerify: Command = async (call, deps) => {
  const { flags, args, io } = call;
  const format = outputFormat(call);
  const directory = flags.string("data-dir");
  const [file] = args;
  if ((file === undefined) === (directory === "")) {
    exitWithError(ExitCode.BAD_ARGS, "verify takes a snapshot file, or --data-dir of a member");
  }
  const report = await orExit(() =>
    file === undefined
      ? verifyDataDirectory(deps, directory, flags.string("wal-dir"))
      : verifySnapshot(deps, file),
  );
  io.out(format === "json" ? reportToJSON(report) : reportToText(report));
  if (!report.isSound) throw new CliExit(ExitCode.ERROR);
};

function reportToJSON({ isSound, problems, facts }: VerifyReport): string {
  return `${JSON.stringify({ sound: isSound, problems, facts })}\n`;
}

function reportToText(report: VerifyReport): string {
  const lines = report.facts.map(({ file, text }) => `${file}: ${text}`);
  for (const { severity, file, where, what } of report.problems) {
    lines.push(`${severity.toUpperCase()} ${file}: ${where === "" ? "" : `${where}: `}${what}`);
  }
  const damages = report.problems.filter(({ severity }) => severity === "damage").length;
  lines.push(report.isSound ? "sound" : `damaged: ${damages} problem${damages > 1 ? "s" : ""}`);
  return `${lines.join("\n")}\n`;
}

export const runDumpLog: Command = async ({ flags, args, io }, deps) => {
  const kinds = listOf(flags.string("kind"));
  const unknown = kinds.find((kind) => !RECORD_KINDS.includes(kind));
  if (unknown !== undefined) {
    exitWithError(ExitCode.BAD_ARGS, `there is no kind of records "${unknown}"`);
  }
  const filter = {
    fromIndex: flags.number("from"),
    toIndex: flags.number("to") || Number.POSITIVE_INFINITY,
    kinds,
    limit: flags.number("limit"),
    showsHashes: flags.bool("show-hashes"),
  };
  await orExit(async () => {
    for (const line of dumpLog(deps, args[0] ?? "", filter)) io.out(`${line}\n`);
  });
};

export const runDumpDb: Command = async ({ flags, args, io }, deps) => {
  const filter = {
    buckets: listOf(flags.string("bucket")),
    prefix: Buffer.from(flags.string("prefix")).toString("latin1"),
    fromRevision: flags.number("from"),
    toRevision: flags.number("to") || Number.POSITIVE_INFINITY,
    limit: flags.number("limit"),
    showsHashes: flags.bool("show-hashes"),
  };
  await orExit(() => dumpDb(deps, args[0] ?? "", filter, (line) => io.out(`${line}\n`)));
};

function listOf(text: string): string[] {
  return text === "" ? [] : text.split(",").map((part) => part.trim());
}
