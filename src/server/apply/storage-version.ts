/**
 * The version of the db's layout. Since etcd 3.6 it stands in the meta bucket; a db without it that
 * names a term has that of 3.5.
 */
import type { Backend, Reader } from "../../backend/types.ts";
import { readAppliedTerm, readStorageVersion, writeStorageVersion } from "../../backend/index.ts";
import { isBefore } from "../../membership/index.ts";

const FIRST_STORED = "3.6.0";
const LAST_NOT_STORED = "3.5.0";

export class StorageVersion {
  readonly #backend: Backend;
  #stored: string | undefined;

  constructor(backend: Backend) {
    this.#backend = backend;
    this.#stored = readStorageVersion(backend);
  }

  /** What the db says of itself: "3.6.0" or higher. */
  get stored(): string | undefined {
    return this.#stored;
  }

  /** Such as "3.6.0"; undefined in a db of etcd 3.4 and older, and in an empty one. */
  get current(): string | undefined {
    if (this.#stored !== undefined) return this.#stored;
    return readAppliedTerm(this.#backend) > 0 ? LAST_NOT_STORED : undefined;
  }

  /**
   * Reads the version of another db, which is about to take the place of the backend's; nothing
   * changes until the returned function is called.
   */
  prepareReload(reader: Reader): () => void {
    const version = readStorageVersion(reader);
    return () => {
      this.#stored = version;
    };
  }

  /** A version before 3.6 takes the name out of the db again: older servers do not know it. */
  set(version: string): void {
    this.#stored = isBefore(version, FIRST_STORED) ? undefined : version;
    writeStorageVersion(this.#backend, this.#stored);
  }
}
