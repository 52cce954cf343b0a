/** The version of the db's layout, kept in the meta bucket since etcd 3.6. */
import type { Backend } from "../backend/types.ts";
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

  set(version: string): void {
    this.#current = version;
    writeStorageVersion(this.#backend, version);
  }
}
