/**
 * A small file system for one member that can be filled up. It needs root for a tmpfs; without, the
 * fault is left out by name.
 */
import { spawnSync } from "node:child_process";
import { closeSync, cpSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

/** Room for two WAL segments of 64 MB being made, the db, and snapshots. */
const SIZE = "512m";
const BLOCK = Buffer.alloc(1 << 20);
/** The last bytes are taken in small steps. */
const SMALL = 4096;

export class FullDisk implements Disposable {
  readonly #folder: string;

  readonly #atExit = (): void => this[Symbol.dispose]();

  private constructor(folder: string) {
    this.#folder = folder;
    process.once("exit", this.#atExit);
  }

  /** Undefined where it cannot be mounted. */
  static mount(folder: string): FullDisk | undefined {
    mkdirSync(folder, { recursive: true });
    if (process.platform !== "linux") return undefined;
    const args = ["-t", "tmpfs", "-o", `size=${SIZE}`, "etcd-faults", folder];
    return spawnSync("mount", args).status === 0 ? new FullDisk(folder) : undefined;
  }

  fill(): void {
    const file = openSync(join(this.#folder, "ballast"), "w");
    try {
      for (const size of [BLOCK.length, SMALL]) {
        try {
          for (;;) writeSync(file, BLOCK, 0, size);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
        }
      }
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    rmSync(join(this.#folder, "ballast"), { force: true });
  }

  /** Copies what is on it beside it, for a look after the run. */
  keep(): void {
    cpSync(this.#folder, `${this.#folder}-kept`, { recursive: true });
  }

  [Symbol.dispose](): void {
    process.off("exit", this.#atExit);
    spawnSync("umount", ["-l", this.#folder]);
  }
}
