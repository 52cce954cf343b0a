/**
 * A log file that is moved aside when it has grown to its maximum size, with the options and the
 * file names of the lumberjack library that etcd uses: `etcd.log` becomes
 * `etcd-2016-11-04T18-30-00.000.log`, optionally compressed to `….log.gz`. Old files are removed
 * by number and by the age that their names tell.
 */

import {
  chownSync,
  closeSync,
  createReadStream,
  createWriteStream,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import type { LogTarget } from "./logger-sinks.ts";

export interface RotationOptions {
  /** Megabytes; 0 means 100. */
  readonly maxSize: number;
  /** Days; 0 keeps files whatever their age. */
  readonly maxAge: number;
  /** Number of old files kept; 0 keeps all. */
  readonly maxBackups: number;
  /** Local time instead of UTC in file names. */
  readonly localTime: boolean;
  /** gzip old files. */
  readonly compress: boolean;
}

const MEGABYTE = 1024 * 1024;
/** As etcd's rotation: a file of this size is set aside. */
const DEFAULT_MAX_MEGABYTES = 100;
const DAY_MS = 24 * 3600 * 1000;
const STAMP = /^(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d\.\d{3})$/;

/** Parses `--log-rotation-config-json`. Throws an Error with etcd's words. */
export function parseRotationOptions(json: string): RotationOptions {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (error) {
    throw new Error(`improperly formatted log rotation config: ${(error as Error).message}`);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw new Error("invalid log rotation config: a JSON object is expected");
  }
  // Go matches the names of the options without regard to case.
  const given = new Map(Object.entries(parsed).map(([key, value]) => [key.toLowerCase(), value]));
  const number = (key: string): number => {
    const value = given.get(key) ?? 0;
    if (typeof value === "number" && Number.isSafeInteger(value)) return value;
    throw new Error(`invalid log rotation config: ${key} must be an integer`);
  };
  const flag = (key: string): boolean => {
    const value = given.get(key) ?? false;
    if (typeof value === "boolean") return value;
    throw new Error(`invalid log rotation config: ${key} must be true or false`);
  };
  return {
    maxSize: number("maxsize"),
    maxAge: number("maxage"),
    maxBackups: number("maxbackups"),
    localTime: flag("localtime"),
    compress: flag("compress"),
  };
}

export interface RotationTiming {
  readonly wallMs: () => number;
  /** For tests; the option counts megabytes. */
  readonly maxBytes?: number;
}

export class RotatingFile implements LogTarget {
  readonly #path: string;
  readonly #options: RotationOptions;
  readonly #maxBytes: number;
  readonly #wallMs: () => number;
  #fd: number;
  #size: number;
  #cleaning: Promise<void> = Promise.resolve();

  /** Opens the file for appending, creating it and its directory. Throws the system's error. */
  constructor(path: string, options: RotationOptions, timing: RotationTiming) {
    this.#path = path;
    this.#options = options;
    this.#wallMs = timing.wallMs;
    this.#maxBytes = timing.maxBytes ?? (options.maxSize || DEFAULT_MAX_MEGABYTES) * MEGABYTE;
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    this.#fd = openSync(path, "a", 0o600);
    this.#size = fstatSync(this.#fd).size;
    this.#startCleaning();
  }

  /** Takes whole lines only, and rotates between two of them. */
  write(data: Uint8Array): number {
    const end = this.#cutAt(data);
    try {
      if (this.#size > 0 && this.#size + end > this.#maxBytes) this.#rotate();
      const written = writeSync(this.#fd, data, 0, end);
      this.#size += written;
      return written;
    } catch {
      // As with any log output: a full disk loses lines, not the member.
      return end;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** Settles when old files have been compressed and removed. */
  cleaned(): Promise<void> {
    return this.#cleaning;
  }

  /** Length of the part of `data` that fits the current file, at least one line. */
  #cutAt(data: Uint8Array): number {
    const room = this.#maxBytes - this.#size;
    if (data.length <= room) return data.length;
    const newline = 0x0a;
    const last = room > 0 ? data.lastIndexOf(newline, room - 1) : -1;
    if (last >= 0) return last + 1;
    const first = data.indexOf(newline);
    return first < 0 ? data.length : first + 1;
  }

  #rotate(): void {
    const info = fstatSync(this.#fd);
    renameSync(this.#path, this.#backupPath());
    const next = openSync(this.#path, "a", info.mode & 0o777);
    closeSync(this.#fd);
    this.#fd = next;
    this.#size = 0;
    chownIfAllowed(this.#path, info.uid, info.gid);
    this.#startCleaning();
  }

  #backupPath(): string {
    const { prefix, extension } = this.#nameParts();
    const directory = dirname(this.#path);
    let wallMs = this.#wallMs();
    for (;;) {
      const path = join(directory, `${prefix}${this.#stamp(wallMs)}${extension}`);
      if (!exists(path) && !exists(`${path}.gz`)) return path;
      wallMs++;
    }
  }

  #stamp(wallMs: number): string {
    const date = new Date(wallMs);
    const shift = this.#options.localTime ? date.getTimezoneOffset() * 60_000 : 0;
    return new Date(wallMs - shift).toISOString().slice(0, -1).replaceAll(":", "-");
  }

  #nameParts(): { prefix: string; extension: string } {
    const name = basename(this.#path);
    const extension = extname(name);
    return { prefix: `${name.slice(0, name.length - extension.length)}-`, extension };
  }

  #startCleaning(): void {
    const { maxBackups, maxAge, compress } = this.#options;
    if (maxBackups === 0 && maxAge === 0 && !compress) return;
    this.#cleaning = this.#cleaning.then(() => this.#clean()).catch(() => {});
  }

  async #clean(): Promise<void> {
    const { maxBackups, maxAge, compress } = this.#options;
    const directory = dirname(this.#path);
    const backups = this.#backups();
    const oldestMs = maxAge > 0 ? this.#wallMs() - maxAge * DAY_MS : Number.NEGATIVE_INFINITY;
    // A backup and its compressed copy, which a crash can leave side by side, count as one.
    const kept = new Set<string>();
    for (const backup of backups) {
      kept.add(backup.name.replace(/\.gz$/, ""));
      const path = join(directory, backup.name);
      if ((maxBackups > 0 && kept.size > maxBackups) || backup.timeMs < oldestMs) rmSync(path);
      else if (compress && !backup.name.endsWith(".gz")) await compressFile(path);
    }
  }

  /** Old files, newest first. */
  #backups(): { name: string; timeMs: number }[] {
    const { prefix, extension } = this.#nameParts();
    const found: { name: string; timeMs: number }[] = [];
    for (const name of readdirSync(dirname(this.#path))) {
      const plain = name.endsWith(".gz") ? name.slice(0, -3) : name;
      if (!plain.startsWith(prefix) || !plain.endsWith(extension)) continue;
      const match = STAMP.exec(plain.slice(prefix.length, plain.length - extension.length));
      if (match === null) continue;
      const timeMs = Date.parse(`${match[1]}T${match[2]}:${match[3]}:${match[4]}Z`);
      if (Number.isFinite(timeMs)) found.push({ name, timeMs });
    }
    return found.sort((a, b) => b.timeMs - a.timeMs);
  }
}

/** Replaces the file by its gzip copy; leaves it alone if that fails. */
async function compressFile(path: string): Promise<void> {
  const target = `${path}.gz`;
  const { mode } = statSync(path);
  try {
    await pipeline(
      createReadStream(path),
      createGzip(),
      createWriteStream(target, { mode: mode & 0o777 }),
    );
  } catch {
    rmSync(target, { force: true });
    return;
  }
  rmSync(path);
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function chownIfAllowed(path: string, uid: number, gid: number): void {
  try {
    chownSync(path, uid, gid);
  } catch {
    // Only root may give a file away; the new file then belongs to this process.
  }
}
