/** `etcdctl snapshot save`. The file appears under its name only when it is whole and on disk. */
import { statSync } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { EtcdClientError, type Snapshot } from "../../../client/index.ts";
import type { Invocation } from "../../framework/command.ts";
import { ExitCode, exitWithError } from "../../framework/exit.ts";
import { systemErrorText } from "../../../base/system-errors.ts";
import { formatDuration, humanizeBytes } from "../../../base/go-text.ts";
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
  refuseDirectory(path);
  // Without --command-timeout, a large database may take its time.
  const snapshot = client.maintenance.snapshot(flags.isChanged("command-timeout") ? bounded : {});
  try {
    await fetchInto(call, snapshot, path, endpoints[0] ?? "");
  } catch (error) {
    const text = error instanceof EtcdClientError ? errorText(error) : (error as Error).message;
    exitWithError(ExitCode.INTERRUPTED, text);
  }
  logLine(io, "info", "saved", { path });
  io.out(`Snapshot saved at ${path}\n`);
  if (snapshot.version !== "") io.out(`Server version ${snapshot.version}\n`);
}

/** In the words of the rename that would fail when all is fetched. */
function refuseDirectory(path: string): void {
  const isDirectory = directoryAt(path);
  if (!isDirectory && path !== "") return;
  const partial = `${path}.part`;
  const reason = isDirectory ? "file exists" : "no such file or directory";
  const text = `could not rename ${partial} to ${path} (rename ${partial} ${path}: ${reason})`;
  exitWithError(ExitCode.INTERRUPTED, text);
}

function directoryAt(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    // Whatever is wrong with the path is said when the file is opened.
    return false;
  }
}

async function fetchInto(
  call: Invocation,
  snapshot: Snapshot,
  path: string,
  endpoint: string,
): Promise<void> {
  const partial = `${path}.part`;
  const opening = `could not open ${partial} (open ${partial}: `;
  const file = await said(opening, ")", open(partial, "w", FILE_MODE));
  try {
    await download(call, snapshot, file, partial, endpoint).finally(() => file.close());
    const renaming = `could not rename ${partial} to ${path} (rename ${partial} ${path}: `;
    await said(renaming, ")", rename(partial, path));
  } catch (error) {
    await rm(partial, { force: true }).catch((left: Error) =>
      logLine(call.io, "error", "Failed to cleanup .part file", { error: left.message }),
    );
    throw error;
  }
  await syncDirectory(dirname(path));
}

async function download(
  { io }: Invocation,
  snapshot: Snapshot,
  file: FileHandle,
  partial: string,
  endpoint: string,
): Promise<void> {
  logLine(io, "info", "created temporary db file", { path: partial });
  const begun = io.clock.nowMs();
  logLine(io, "info", "opened snapshot stream; downloading", { logger: "client" });
  logLine(io, "info", "fetching snapshot", { endpoint });
  for await (const blob of snapshot) await said(`write ${partial}: `, "", file.writeFile(blob));
  logLine(io, "info", "completed snapshot read; closing", { logger: "client" });
  await said(`sync ${partial}: `, "", file.sync());
  logLine(io, "info", "fetched snapshot", {
    endpoint,
    size: humanizeBytes(snapshot.receivedBytes),
    took: formatDuration(io.clock.nowMs() - begun),
    "etcd-version": snapshot.version,
  });
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Awaits work on a file; its failure says what was done, and why it failed in Go's words. */
async function said<T>(before: string, behind: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new Error(`${before}${systemErrorText(error)}${behind}`, { cause: error });
  }
}
