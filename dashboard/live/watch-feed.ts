/** Changes below a prefix as they happen, from a watch over the JSON API. */
import { ApiError } from "../api/api-error.ts";
import { toBase64 } from "../api/bytes.ts";
import type { EtcdApi } from "../api/etcd-api.ts";
import {
  type HeaderJson,
  type KeyValue,
  type KeyValueJson,
  keyValueOf,
  prefixRange,
} from "../api/kv.ts";

export interface Change {
  readonly type: "put" | "delete";
  readonly kv: KeyValue;
  /** When it came here. */
  readonly at: Date;
}

interface WatchJson {
  readonly header?: HeaderJson;
  readonly created?: boolean;
  readonly canceled?: boolean;
  readonly cancel_reason?: string;
  readonly compact_revision?: string;
  readonly events?: readonly { readonly type?: string; readonly kv?: KeyValueJson }[];
}

const COMPACTED =
  "What has changed meanwhile has been compacted in part; another try shows what comes from now on.";

export interface Feed {
  readonly prefix: Uint8Array;
  /** 0: from now on. */
  readonly fromRevision: number;
  readonly onOpen: () => void;
  /** `next`: the revision from which a later feed goes on without a gap. */
  readonly onChanges: (changes: readonly Change[], next: number) => void;
}

/** Ends when `signal` says so; rejects with an `ApiError` when the server ends it. */
export async function watchPrefix(api: EtcdApi, feed: Feed, signal: AbortSignal): Promise<void> {
  const { fromRevision, onOpen, onChanges } = feed;
  const { key, end } = prefixRange(feed.prefix);
  const start = fromRevision > 0 ? { start_revision: String(fromRevision) } : {};
  const request = { create_request: { key: toBase64(key), range_end: toBase64(end), ...start } };
  for await (const answer of api.stream<WatchJson>("v3/watch", request, { signal })) {
    if (answer.canceled === true) {
      if (answer.compact_revision !== undefined) throw new ApiError("refused", COMPACTED);
      const reason = answer.cancel_reason ?? "the server ended the watch";
      const isDenied = reason.includes("permission denied");
      throw new ApiError(isDenied ? "denied" : "refused", reason);
    }
    onOpen();
    if (answer.created === true && fromRevision === 0) {
      onChanges([], Number(answer.header?.revision ?? 0) + 1);
    }
    const at = new Date();
    const changes = (answer.events ?? []).map(({ type, kv }) => ({
      type: type === "DELETE" ? ("delete" as const) : ("put" as const),
      kv: keyValueOf(kv ?? {}),
      at,
    }));
    const newest = changes.at(-1)?.kv.modRevision;
    if (newest !== undefined) onChanges(changes, newest + 1);
  }
}
