/** The version of the db's layout, kept in the meta bucket since etcd 3.6. */
import { type Backend, META_BUCKET } from "../backend/types.ts";
import { bytesFromUtf8, utf8FromBytes } from "../base/bytes.ts";

const STORAGE_VERSION_KEY = bytesFromUtf8("storageVersion");

export class StorageVersion {
  readonly #backend: Backend;
  #current: string | undefined;

  constructor(backend: Backend) {
    this.#backend = backend;
    const value = backend.get(META_BUCKET, STORAGE_VERSION_KEY);
    this.#current = value === undefined ? undefined : utf8FromBytes(value);
  }

  /** Such as "3.6.0"; undefined in a db of etcd 3.5 and older. */
  get current(): string | undefined {
    return this.#current;
  }

  set(version: string): void {
    this.#current = version;
    this.#backend.put(META_BUCKET, STORAGE_VERSION_KEY, bytesFromUtf8(version));
  }
}
