/**
 * `Disk` on real files. Synchronous calls go straight to the system (a cached 4 KiB read costs less
 * than a microsecond); asynchronous ones run on Node's thread pool.
 *
 * Every system error leaves this file as a `DiskError` whose message names the call, the path and
 * the reason in the words of the system ("open /x/y: permission denied").
 *
 * Modes are exact: a created file or directory gets its bits whatever the umask. Nothing here is
 * durable before `datasync` (content) and `syncDirectory` (names).
 */
import * as fs from "node:fs";
import * as nodePath from "node:path";
import { getSystemErrorMap } from "node:util";
import {
  DIRECT_BLOCK_BYTES,
  type Disk,
  DiskError,
  type DiskFile,
  type FileInfo,
  type LockKind,
  type OpenOptions,
} from "../env/disk.ts";
import { isFullPlatform, type SystemCalls, systemCalls } from "./system-calls.ts";

const DEFAULT_FILE_MODE = 0o600;
const PERMISSION_BITS = 0o777;

export class NodeDisk implements Disk {
  open(path: string, options: OpenOptions = {}): DiskFile {
    return guard("open", path, () => new NodeFile(path, openDescriptor(path, options)));
  }

  stat(path: string): FileInfo | undefined {
    return guard("stat", path, () => {
      const stats = fs.statSync(path, { throwIfNoEntry: false });
      if (stats === undefined) return undefined;
      return {
        name: nodePath.basename(path),
        isDirectory: stats.isDirectory(),
        size: stats.size,
        mode: stats.mode & PERMISSION_BITS,
      };
    });
  }

  readDirectory(path: string): string[] {
    return guard("open", path, () => fs.readdirSync(path).sort(byCodeUnit));
  }

  makeDirectories(path: string, mode: number): void {
    guard("mkdir", path, () => {
      const missing: string[] = [];
      let at = nodePath.resolve(path);
      while (fs.statSync(at, { throwIfNoEntry: false }) === undefined) {
        missing.push(at);
        at = nodePath.dirname(at);
      }
      for (const directory of missing.reverse()) {
        fs.mkdirSync(directory, mode);
        fs.chmodSync(directory, mode);
      }
      if (!fs.statSync(path).isDirectory()) throw systemError("ENOTDIR");
    });
  }

  rename(from: string, to: string): void {
    guard("rename", `${from} ${to}`, () => fs.renameSync(from, to), to);
  }

  remove(path: string): void {
    guard("remove", path, () => {
      if (fs.lstatSync(path).isDirectory()) fs.rmdirSync(path);
      else fs.unlinkSync(path);
    });
  }

  removeAll(path: string): void {
    guard("remove", path, () => fs.rmSync(path, { recursive: true, force: true }));
  }

  syncDirectory(path: string): void {
    // Windows cannot open a directory for writing; its file systems journal names themselves.
    if (process.platform === "win32") return;
    guard("fsync", path, () => {
      const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
      try {
        fs.fsyncSync(fd);
      } finally {
        fs.closeSync(fd);
      }
    });
  }

  async syncDirectoryAsync(path: string): Promise<void> {
    if (process.platform === "win32") return;
    const { O_RDONLY, O_DIRECTORY } = fs.constants;
    const fd = guard("fsync", path, () => fs.openSync(path, O_RDONLY | O_DIRECTORY));
    try {
      await new Promise<void>((resolve, reject) => {
        fs.fsync(fd, (error) => {
          if (error) reject(diskError("fsync", path, error));
          else resolve();
        });
      });
    } finally {
      fs.closeSync(fd);
    }
  }

  readFile(path: string, limitBytes: number): Uint8Array {
    return guard("read", path, () => {
      const fd = openRegular(path, fs.constants.O_RDONLY);
      try {
        const size = fs.fstatSync(fd).size;
        if (size > limitBytes) throw systemError("EFBIG");
        const content = Buffer.allocUnsafeSlow(size);
        return content.subarray(0, readFully(fd, content, 0));
      } finally {
        fs.closeSync(fd);
      }
    });
  }

  allocate(bytes: number): Buffer {
    const calls = isFullPlatform ? systemCalls() : new Error("not this platform");
    if (calls instanceof Error) return Buffer.allocUnsafeSlow(bytes);
    const memory = Buffer.allocUnsafeSlow(bytes + DIRECT_BLOCK_BYTES);
    const start = calls.bytesToBoundary(memory, DIRECT_BLOCK_BYTES);
    return memory.subarray(start, start + bytes);
  }

  join(...segments: string[]): string {
    return nodePath.join(...segments);
  }
}

/** Where `writeDirect` of a file goes. */
type DirectState =
  | { readonly kind: "unopened" }
  | { readonly kind: "open"; readonly fd: number }
  /** The file system, or this system, has no way around its cache. */
  | { readonly kind: "impossible" };

const IMPOSSIBLE: DirectState = { kind: "impossible" };

class NodeFile implements DiskFile {
  readonly path: string;
  #fd: number;
  #direct: DirectState = { kind: "unopened" };

  constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  readSync(target: Uint8Array, position: number): number {
    try {
      return readFully(this.#fd, target, position);
    } catch (error) {
      throw diskError("read", this.path, error);
    }
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    let done = 0;
    while (done < target.length) {
      const rest = done === 0 ? target : target.subarray(done);
      const got = await this.#readOnce(rest, position + done);
      if (got === 0) break;
      done += got;
    }
    return done;
  }

  writeSync(data: Uint8Array, position: number): void {
    try {
      let done = fs.writeSync(this.#fd, data, 0, data.length, position);
      while (done < data.length) {
        done += fs.writeSync(this.#fd, data, done, data.length - done, position + done);
      }
    } catch (error) {
      throw diskError("write", this.path, error);
    }
  }

  async write(chunks: readonly Uint8Array[], position: number): Promise<void> {
    let rest = chunks;
    let at = position;
    let total = 0;
    for (const chunk of chunks) total += chunk.length;
    while (total > 0) {
      const written = await this.#writeOnce(rest, at);
      at += written;
      total -= written;
      if (total > 0) rest = skipBytes(rest, written);
    }
  }

  async writeDirect(data: Uint8Array, position: number): Promise<void> {
    let done = 0;
    if (isWholeBlocks(data, position)) {
      this.#direct = openDirect(this.#direct, this.#fd);
      if (this.#direct.kind === "open")
        done = await this.#tryDirect(this.#direct.fd, data, position);
    }
    if (done < data.length) await this.write([data.subarray(done)], position + done);
  }

  datasync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.#fd, (error) => {
        if (error) reject(diskError("fdatasync", this.path, error));
        else resolve();
      });
    });
  }

  datasyncSync(): void {
    guard("fdatasync", this.path, () => fs.fdatasyncSync(this.#fd));
  }

  size(): number {
    return guard("stat", this.path, () => fs.fstatSync(this.#fd).size);
  }

  truncateSync(length: number): void {
    guard("truncate", this.path, () => fs.ftruncateSync(this.#fd, length));
  }

  preallocateSync(length: number): void {
    guard("fallocate", this.path, () => {
      const size = fs.fstatSync(this.#fd).size;
      if (length <= size) return;
      const calls = isFullPlatform ? systemCalls() : new Error("not this platform");
      const result = calls instanceof Error ? "ENOSYS" : calls.fallocate(this.#fd, length);
      if (result === 0) return;
      if (result !== "EOPNOTSUPP" && result !== "ENOTSUP" && result !== "ENOSYS") {
        throw systemError(result);
      }
      // Some file systems cannot reserve blocks; then, as in etcd, only the length is set.
      fs.ftruncateSync(this.#fd, length);
    });
  }

  tryLock(kind: LockKind): boolean {
    return guard("lock", this.path, () => {
      const calls = lockCalls();
      if (calls === undefined) return true;
      const result =
        kind === "flock" ? calls.flockExclusive(this.#fd) : calls.ofdLockExclusive(this.#fd);
      if (result === 0) return true;
      if (result === "EAGAIN" || result === "EWOULDBLOCK" || result === "EACCES") return false;
      throw systemError(result);
    });
  }

  close(): void {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    this.#closeDirect();
    guard("close", this.path, () => fs.closeSync(fd));
  }

  closeInBackground(): Promise<void> {
    if (this.#fd < 0) return Promise.resolve();
    const fd = this.#fd;
    this.#fd = -1;
    this.#closeDirect();
    return new Promise((resolve, reject) => {
      fs.close(fd, (error) => {
        if (error) reject(diskError("close", this.path, error));
        else resolve();
      });
    });
  }

  #readOnce(target: Uint8Array, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.read(this.#fd, target, 0, target.length, position, (error, got) => {
        if (error) reject(diskError("read", this.path, error));
        else resolve(got);
      });
    });
  }

  /** Bytes written; none when the file system refuses, now and from then on. */
  #tryDirect(fd: number, data: Uint8Array, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.write(fd, data, 0, data.length, position, (error, written) => {
        if (error === null) resolve(written);
        else if (error.code !== "EINVAL") reject(diskError("write", this.path, error));
        else {
          this.#closeDirect();
          resolve(0);
        }
      });
    });
  }

  #closeDirect(): void {
    if (this.#direct.kind === "open") fs.closeSync(this.#direct.fd);
    this.#direct = IMPOSSIBLE;
  }

  #writeOnce(chunks: readonly Uint8Array[], position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const settle = (error: Error | null, written: number): void => {
        if (error) reject(diskError("write", this.path, error));
        else resolve(written);
      };
      const only = chunks[0];
      if (chunks.length === 1 && only !== undefined) {
        fs.write(this.#fd, only, 0, only.length, position, settle);
      } else {
        fs.writev(this.#fd, chunks as Uint8Array[], position, settle);
      }
    });
  }
}

function isWholeBlocks(data: Uint8Array, position: number): boolean {
  if (data.length % DIRECT_BLOCK_BYTES !== 0 || position % DIRECT_BLOCK_BYTES !== 0) return false;
  const calls = isFullPlatform ? systemCalls() : undefined;
  if (calls === undefined || calls instanceof Error) return false;
  return calls.bytesToBoundary(data, DIRECT_BLOCK_BYTES) === 0;
}

/** A second descriptor of the file behind `fd`, by whatever name it has now. */
function openDirect(state: DirectState, fd: number): DirectState {
  if (state.kind !== "unopened") return state;
  // Absent on systems other than Linux.
  const { O_WRONLY, O_DIRECT } = fs.constants as { O_WRONLY: number; O_DIRECT?: number };
  if (O_DIRECT === undefined) return IMPOSSIBLE;
  try {
    return { kind: "open", fd: fs.openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_DIRECT) };
  } catch {
    return IMPOSSIBLE;
  }
}

/** Opens or creates; a created file has exactly the wanted mode, an existing one keeps its own. */
function openDescriptor(path: string, options: OpenOptions): number {
  const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC } = fs.constants;
  const create = options.create === true;
  const access = create || options.write === true ? O_RDWR : O_RDONLY;
  const existing = access | (options.truncate === true ? O_TRUNC : 0);
  if (!create) return openRegular(path, existing);
  const mode = options.mode ?? DEFAULT_FILE_MODE;
  try {
    const fd = fs.openSync(path, O_RDWR | O_CREAT | O_EXCL, mode);
    fs.fchmodSync(fd, mode);
    return fd;
  } catch (error) {
    if (options.exclusive === true || errorCode(error) !== "EEXIST") throw error;
  }
  return openRegular(path, existing | O_CREAT, mode);
}

/**
 * Opens what is a regular file, and nothing else: a pipe would keep whoever opens or reads it waiting
 * for ever, and a device has no content of its own.
 */
function openRegular(path: string, flags: number, mode?: number): number {
  // So that a pipe does not wait for its other end. Windows has no such flag, and no such files.
  const { O_NONBLOCK = 0 } = fs.constants as { readonly O_NONBLOCK?: number };
  let fd: number;
  try {
    fd = fs.openSync(path, flags | O_NONBLOCK, mode);
  } catch (error) {
    if (errorCode(error) === "ENXIO") throw unusableFile(fs.statSync(path));
    throw error;
  }
  const found = fs.fstatSync(fd);
  if (found.isFile()) return fd;
  fs.closeSync(fd);
  throw unusableFile(found);
}

function unusableFile(found: fs.Stats): Error {
  if (found.isDirectory()) return systemError("EISDIR");
  const what = found.isFIFO() ? "a named pipe" : found.isSocket() ? "a socket" : "a device";
  return Object.assign(new Error(`is ${what}, not a regular file`), { code: "EFTYPE" });
}

/** Undefined on platforms whose documented behaviour is to go without locks. */
function lockCalls(): SystemCalls | undefined {
  const calls = systemCalls();
  if (!(calls instanceof Error)) return calls;
  if (process.platform === "win32") return undefined;
  // Two members on one data directory destroy it: never go on without the lock.
  throw Object.assign(new Error(`file locks need the "koffi" package: ${calls.message}`), {
    code: "ENOLCK",
  });
}

function readFully(fd: number, target: Uint8Array, position: number): number {
  let done = 0;
  while (done < target.length) {
    const got = fs.readSync(fd, target, done, target.length - done, position + done);
    if (got === 0) break;
    done += got;
  }
  return done;
}

function skipBytes(chunks: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let skip = count;
  let first = 0;
  for (const chunk of chunks) {
    if (skip < chunk.length) break;
    skip -= chunk.length;
    first++;
  }
  const rest = chunks.slice(first);
  const head = rest[0];
  if (head !== undefined && skip > 0) rest[0] = head.subarray(skip);
  return rest;
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function guard<T>(call: string, subject: string, run: () => T, path = subject): T {
  try {
    return run();
  } catch (error) {
    throw diskError(call, subject, error, path);
  }
}

function diskError(call: string, subject: string, error: unknown, path = subject): Error {
  if (error instanceof DiskError) return error;
  const code = errorCode(error);
  // Without a code it is a programming error (a wrong argument), which must stay visible as such.
  if (code === undefined || code.startsWith("ERR_")) {
    return error instanceof Error ? error : new Error(String(error));
  }
  const known = OWN_REASONS.has(code) ? undefined : describe(code);
  const reason = known ?? (error instanceof Error ? error.message : code);
  return new DiskError(code, path, `${call} ${subject}: ${reason}`);
}

function errorCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

function systemError(code: string): Error {
  return Object.assign(new Error(describe(code) ?? code), { code });
}

/** Codes whose errors come from here, with words of their own. */
const OWN_REASONS: ReadonlySet<string> = new Set(["ENOLCK", "EFTYPE"]);

/** The C library's words, which etcd's users know, where libuv's differ. */
const REASONS: Readonly<Record<string, string>> = {
  EIO: "input/output error",
  EEXIST: "file exists",
  EISDIR: "is a directory",
  EMFILE: "too many open files",
  EDQUOT: "disk quota exceeded",
  ENOTEMPTY: "directory not empty",
  EROFS: "read-only file system",
};

let systemReasons: Map<string, string> | undefined;

function describe(code: string): string | undefined {
  if (systemReasons === undefined) {
    systemReasons = new Map();
    for (const [name, reason] of getSystemErrorMap().values()) systemReasons.set(name, reason);
  }
  return REASONS[code] ?? systemReasons.get(code);
}
