/**
 * Runs inside the released executables, in place of `require("koffi")`: takes koffi's native part
 * from the assets of the executable. A shared library can only be loaded from a file, so it is
 * written to a directory that only this user can enter, loaded, and removed at once.
 *
 * The first directory that allows it wins: a temporary directory may be mounted `noexec`.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getRawAsset } from "node:sea";

/** Name of the asset. */
export const KOFFI_ASSET = "koffi.node";

/** @throws an Error that says what every directory answered. */
export function loadKoffi(): unknown {
  const library = new Uint8Array(getRawAsset(KOFFI_ASSET) as ArrayBuffer);
  const problems: string[] = [];
  for (const directory of new Set([tmpdir(), "/dev/shm", "/var/tmp"])) {
    try {
      return loadThrough(directory, library);
    } catch (error) {
      problems.push(`${directory}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(`cannot load system calls; set TMPDIR (${problems.join("; ")})`);
}

function loadThrough(directory: string, library: Uint8Array): unknown {
  const folder = mkdtempSync(join(directory, "etcd-native-"));
  try {
    const path = join(folder, KOFFI_ASSET);
    writeFileSync(path, library, { mode: 0o600, flag: "wx" });
    const loaded: { exports: unknown } = { exports: {} };
    process.dlopen(loaded, path);
    return loaded.exports;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
