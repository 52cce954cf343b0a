/** The version of the db's layout, kept in the meta bucket since etcd 3.6. */
import type { Backend, Reader } from "../backend/types.ts";
import { readStorageVersion, writeStorageVersion } from "../membership/index.ts";

export class StorageVersion {
  readonly #backend: Backend;
  #current: string | undefined;

  constructor(backend: Backend) {
    this.#backend = backend;
    this.#current = readStorageVersion(backend);
  }

  /** Such as "3.6.0"; undefined in a db of etcd 3.5 and older. */
  get current(): string | undefined {
    return this.#current;
  }

  /**
   * Reads the version of another db, which is about to take the place of the backend's; nothing
   * changes until the returned function is called.
   */
  prepareReload(reader: Reader): () => void {
    const version = readStorageVersion(reader);
    return () => {
      this.#current = version;
    };
  }

  set(version: string): void {
    this.#current = version;
    writeStorageVersion(this.#backend, version);
  }
}
