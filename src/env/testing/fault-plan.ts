/** Counts the calls on a fault disk and decides which of them fail. */
import { DiskError } from "../disk.ts";

export type WriteOperation =
  | "create"
  | "write"
  | "datasync"
  | "truncate"
  | "preallocate"
  | "rename"
  | "remove"
  | "makeDirectories"
  | "syncDirectory";
export type Operation = WriteOperation | "open" | "read" | "stat" | "readDirectory" | "lock";

const WRITE_OPERATIONS: ReadonlySet<Operation> = new Set<Operation>([
  "create",
  "write",
  "datasync",
  "truncate",
  "preallocate",
  "rename",
  "remove",
  "makeDirectories",
  "syncDirectory",
]);

export interface FaultRule {
  /** The calls that it concerns; undefined means every call. */
  readonly operation?: Operation;
  /** Only paths that contain this text (for a renaming: the new path). */
  readonly path?: string;
  /** Matching calls that still succeed before the first failure. Default 0. */
  readonly skip?: number;
  /** Matching calls that fail. Default 1; Infinity for a lasting fault. */
  readonly times?: number;
  /** The system's error name, such as "ENOSPC" or "EIO". */
  readonly code: string;
  /** For writes: how many bytes are written before the failure. Default 0. */
  readonly keepBytes?: number;
}

/** Thrown by every call on a disk whose machine has lost power. */
export class CrashedDiskError extends DiskError {
  constructor(path: string) {
    super("ECRASHED", path, `${path}: the machine has lost power`);
    this.name = "CrashedDiskError";
  }
}

export interface Failure {
  readonly error: DiskError;
  readonly keepBytes: number;
}

interface ActiveRule {
  readonly rule: FaultRule;
  skip: number;
  times: number;
}

export class FaultPlan {
  writePoints = 0;
  operations = 0;
  crashed = false;
  #writePointsLeft = Number.POSITIVE_INFINITY;
  readonly #counts = new Map<Operation, number>();
  readonly #rules = new Set<ActiveRule>();

  count(operation: Operation): number {
    return this.#counts.get(operation) ?? 0;
  }

  crashAfter(writePoints: number): void {
    this.#writePointsLeft = writePoints;
  }

  crashNow(): void {
    this.crashed = true;
  }

  add(rule: FaultRule): () => void {
    const active = { rule, skip: rule.skip ?? 0, times: rule.times ?? 1 };
    this.#rules.add(active);
    return () => this.#rules.delete(active);
  }

  /** Counts a call; throws when it is to fail. */
  enter(operation: Operation, path: string): void {
    const failure = this.tryEnter(operation, path);
    if (failure !== undefined) throw failure.error;
  }

  /** As `enter`, but returns a planned failure so that the call can do a part of its work. */
  tryEnter(operation: Operation, path: string): Failure | undefined {
    this.operations++;
    if (this.crashed) throw new CrashedDiskError(path);
    if (WRITE_OPERATIONS.has(operation)) {
      if (this.#writePointsLeft === 0) {
        this.crashed = true;
        throw new CrashedDiskError(path);
      }
      this.#writePointsLeft--;
      this.writePoints++;
    }
    this.#counts.set(operation, this.count(operation) + 1);
    for (const active of this.#rules) {
      const { rule } = active;
      if (rule.operation !== undefined && rule.operation !== operation) continue;
      if (rule.path !== undefined && !path.includes(rule.path)) continue;
      if (active.skip > 0) {
        active.skip--;
        continue;
      }
      if (--active.times <= 0) this.#rules.delete(active);
      return { error: fail(rule.code, operation, path), keepBytes: rule.keepBytes ?? 0 };
    }
    return undefined;
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EEXIST: "file exists",
  EISDIR: "is a directory",
  ENOTDIR: "not a directory",
  ENOTEMPTY: "directory not empty",
  ENOSPC: "no space left on device",
  EIO: "input/output error",
  EFBIG: "file too large",
  EBADF: "bad file descriptor",
};

export function fail(code: string, call: string, path: string): DiskError {
  return new DiskError(code, path, `${call} ${path}: ${REASONS[code] ?? code}`);
}
