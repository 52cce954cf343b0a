/** Reads of the v2 tree over v3 keys: of one revision, in pages, so that others are served between. */
import type { KeyValue } from "../../api/gen/kv.ts";
import {
  type Listing,
  type NodeView,
  type StoreEvent,
  V2_CODE,
  V2Error,
} from "../../v2store/index.ts";
import { indexOf, viewOf } from "./node-views.ts";
import { keyOf, rangeOf } from "./operations.ts";
import { isRoot, type KeySpan, type V3Paths } from "./paths.ts";
import type { V3Calls } from "./v3-calls.ts";

/** Keys of one answer, so that taking it in is one short stretch. */
const PAGE_KEYS = 1000;

export class V3Reads {
  readonly #calls: V3Calls;
  readonly #paths: V3Paths;

  constructor(calls: V3Calls, paths: V3Paths) {
    this.#calls = calls;
    this.#paths = paths;
  }

  /** Listings are in the order of their bytes. Rejects with `V2Error`. */
  async get(path: string, { isRecursive }: Listing): Promise<StoreEvent> {
    const keys = [this.#paths.directory(path), this.#paths.file(path)];
    const response = await this.#calls.txn({ success: keys.map(rangeOf) });
    const revision = response.header?.revision ?? 0;
    const storeIndex = indexOf(revision);
    const directory = keyOf(response, 0);
    if (directory !== undefined || isRoot(path)) {
      const nodes = await this.#content(path, isRecursive, revision);
      const node: NodeView = {
        key: path,
        isDirectory: true,
        ttl: 0,
        nodes,
        modifiedIndex: indexOf(directory?.modRevision ?? 0),
        createdIndex: indexOf(directory?.createRevision ?? 0),
      };
      return { action: "get", node, storeIndex };
    }
    const file = keyOf(response, 1);
    if (file === undefined) throw new V2Error(V2_CODE.keyNotFound, path, storeIndex);
    return { action: "get", node: viewOf(file, this.#paths), storeIndex };
  }

  /** Level by level, until there is nothing below. */
  async #content(path: string, isRecursive: boolean, revision: number): Promise<NodeView[]> {
    const top: NodeView[] = [];
    const contents = new Map<string, NodeView[]>([[path, top]]);
    for (let depth = 1; ; depth++) {
      let count = 0;
      for await (const kv of this.#records(this.#paths.level(path, depth), revision)) {
        count++;
        const view = viewOf(kv, this.#paths);
        const nodes: NodeView[] = [];
        if (view.isDirectory) contents.set(view.key, nodes);
        const siblings = contents.get(view.key.slice(0, view.key.lastIndexOf("/")));
        siblings?.push(view.isDirectory ? { ...view, nodes } : view);
      }
      if (count === 0 || !isRecursive) return top;
    }
  }

  async *#records(span: KeySpan, revision: number): AsyncGenerator<KeyValue> {
    let { key } = span;
    for (;;) {
      const { rangeEnd } = span;
      const page = await this.#calls.range({ key, rangeEnd, revision, limit: PAGE_KEYS });
      yield* page.kvs;
      const last = page.kvs.at(-1);
      if (!page.more || last === undefined) return;
      key = Buffer.concat([last.key, NEXT]);
    }
  }
}

const NEXT = new Uint8Array(1);
