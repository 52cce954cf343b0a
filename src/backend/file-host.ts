/** What the backend lends to who replaces its file: a defragmentation, or a received database. */

import type { BoltFile } from "./bolt/bolt-file.ts";

export interface FileHost {
  readonly file: BoltFile;
  /** The backend closes: whatever is not done yet is given up. */
  readonly isClosing: boolean;
  /** As `Backend.commit`. */
  commit(): Promise<void>;
  /**
   * Runs `work` while no transaction is sealed or on its way to the disk; writes collect meanwhile.
   * One that has found the disk full may be left over: then the file's newest tree is not durable.
   * Throws `BackendClosedError` if the backend has stopped.
   */
  paused<T>(work: () => T | Promise<T>): Promise<T>;
  /**
   * The name of the file now belongs to `next`, which takes over. Called inside `paused`. With the
   * `same` content the batches go on; if it is `another`, they are part of it and are dropped.
   */
  replaceFile(next: BoltFile, content: "same" | "another"): void;
  /** The file that the name means cannot be told: the backend stops. */
  fail(error: Error): void;
}
