/** `etcdctl backup`: rewrites the files of a stopped member for a new cluster. */
import { backupMember } from "../etcdutl/backup.ts";
import { reasonOf } from "../etcdutl/refusal.ts";
import { CliExit } from "../framework/exit.ts";
import type { Action } from "./actions.ts";
import { V2Exit } from "./session.ts";

export const backup: Action = async ({ flags, io, world }) => {
  // As Go's log lines: local time with microseconds.
  const remark = (text: string): void =>
    io.err(`${timestamp(new Date(io.clock.wallMs()))} I | ${text}\n`);
  const deps = await world(io);
  const dataDirectory = flags.string("data-dir");
  const db = deps.disk.join(dataDirectory, "member", "snap", "db");
  const options = {
    dataDirectory,
    walDirectory: flags.string("wal-dir"),
    backupDirectory: flags.string("backup-dir"),
    backupWalDirectory: flags.string("backup-wal-dir"),
    withV3: flags.bool("with-v3"),
  };
  const tell = (): void => remark(`waiting to acquire lock on ${db}`);
  try {
    await backupMember({ ...deps, tell }, options, remark);
  } catch (error) {
    remark(reasonOf(error));
    throw new CliExit(V2Exit.BAD_ARGS);
  }
};

function timestamp(now: Date): string {
  const local = new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString();
  return `${local.slice(0, 10)} ${local.slice(11, 23)}000`;
}
