/** `etcdctl snapshot save`. The file appears under its name only when it is whole and on disk. */
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { EtcdClientError, type Snapshot } from "../../../client/index.ts";
import type { Invocation } from "../../framework/command.ts";
import { ExitCode, exitWithError } from "../../framework/exit.ts";
import { humanizeBytes } from "../../../base/go-text.ts";
import { formatDuration } from "../../framework/go-text.ts";
import { logLine } from "../log-line.ts";
import { errorText, openSession } from "../session.ts";

/** Readable by its owner only: it holds everything, password hashes included. */
const FILE_MODE = 0o600;

export async function snapshotSave(call: Invocation): Promise<void> {
  const { args, flags, io } = call;
  if (args.length !== 1) {
    exitWithError(ExitCode.BAD_ARGS, "snapshot save expects one argument <filename>");
  }
  const path = args[0] ?? "";
  const { client, target, bounded } = await openSession(call);
  const { endpoints } = target;
  if (endpoints.length !== 1) {
    const list = endpoints.join(" ");
    exitWithError(
      ExitCode.INTERRUPTED,
      `snapshot must be requested to one selected node, not multiple [${list}]`,
    );
  }
  // Without --command-timeout, a large database may take its time.
  const snapshot = client.maintenance.snapshot(flags.isChanged("command-timeout") ? bounded : {});
  const partial = `${path}.part`;
  try {
    await download(call, snapshot, partial, endpoints[0] ?? "");
    await rename(partial, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(partial, { force: true });
    exitWithError(ExitCode.INTERRUPTED, failureText(error, partial));
  }
  logLine(io, "info", "saved", { path });
  io.out(`Snapshot saved at ${path}\n`);
  if (snapshot.version !== "") io.out(`Server version ${snapshot.version}\n`);
}

async function download(
  { io }: Invocation,
  snapshot: Snapshot,
  partial: string,
  endpoint: string,
): Promise<void> {
  const file: FileHandle = await open(partial, "w", FILE_MODE);
  try {
    logLine(io, "info", "created temporary db file", { path: partial });
    const begun = performance.now();
    logLine(io, "info", "opened snapshot stream; downloading", { logger: "client" });
    logLine(io, "info", "fetching snapshot", { endpoint });
    for await (const blob of snapshot) await file.writeFile(blob);
    logLine(io, "info", "completed snapshot read; closing", { logger: "client" });
    await file.sync();
    logLine(io, "info", "fetched snapshot", {
      endpoint,
      size: humanizeBytes(snapshot.receivedBytes),
      took: formatDuration((performance.now() - begun) * 1e6),
      "etcd-version": snapshot.version,
    });
  } finally {
    await file.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function failureText(error: unknown, partial: string): string {
  if (error instanceof EtcdClientError) return errorText(error);
  const { code, message } = error as NodeJS.ErrnoException;
  const words: Readonly<Record<string, string>> = {
    ENOENT: "no such file or directory",
    EACCES: "permission denied",
    EISDIR: "is a directory",
    ENOSPC: "no space left on device",
  };
  const reason = words[code ?? ""];
  return reason === undefined ? message : `could not open ${partial} (open ${partial}: ${reason})`;
}
