/**
 * The keys of the v2 API over v3 keys (`--experimental-enable-v2v3`), as etcd 3.4 and 3.5 have it: the
 * v2 tree is v3 keys below a prefix, every change is a transaction. Nothing has a lifetime here.
 */
import type { Request } from "../../api/gen/etcdserver.ts";
import type { RpcService } from "../../env/rpc.ts";
import type {
  Listing,
  StoreEvent,
  Watcher,
  WatchListener,
  WatchOptions,
} from "../../v2store/index.ts";
import type { V2Keys } from "../backend.ts";
import { V3Changes } from "./changes.ts";
import { V3Reads } from "./listing.ts";
import { V3Paths } from "./paths.ts";
import { V3Calls } from "./v3-calls.ts";
import { watchNode } from "./watches.ts";

export interface V3KeysOptions {
  /** The member's own services. */
  readonly service: RpcService;
  /** Of all keys. */
  readonly prefix: string;
  /** The value that a key has on this member now. */
  readonly localValue: (key: Uint8Array) => string | undefined;
}

export class V3Keys implements V2Keys {
  /** As in etcd, nobody counts. */
  readonly statistics = undefined;
  readonly #calls: V3Calls;
  readonly #paths: V3Paths;
  readonly #reads: V3Reads;
  readonly #changes: V3Changes;
  readonly #localValue: V3KeysOptions["localValue"];

  constructor({ service, prefix, localValue }: V3KeysOptions) {
    this.#calls = new V3Calls(service);
    this.#paths = new V3Paths(prefix);
    this.#reads = new V3Reads(this.#calls, this.#paths);
    this.#changes = new V3Changes(this.#calls, this.#paths);
    this.#localValue = localValue;
  }

  get(path: string, listing: Listing): Promise<StoreEvent> {
    return this.#reads.get(path, listing);
  }

  value(path: string): string | undefined {
    return this.#localValue(this.#paths.file(path));
  }

  watch(
    path: string,
    options: WatchOptions,
    listener: WatchListener,
    onEnd: () => void,
  ): Promise<Watcher> {
    const deps = { calls: this.#calls, paths: this.#paths };
    return watchNode(deps, path, options, listener, onEnd);
  }

  /** Does what a request asks for. Rejects with `V2Error`. */
  async do(request: Request): Promise<StoreEvent> {
    const { Method, Path, Recursive: isRecursive, Sorted: isSorted } = request;
    if (Method === "QGET") return this.get(Path, { isRecursive, isSorted });
    return this.#changes.apply(request);
  }
}
