/** Changes below a prefix as they happen, from a watch over the JSON API. */
import { ApiError } from "../api/api-error.ts";
import { toBase64 } from "../api/bytes.ts";
import type { EtcdApi } from "../api/etcd-api.ts";
import { type KeyValue, type KeyValueJson, keyValueOf, prefixRange } from "../api/kv.ts";

export interface Change {
  readonly type: "put" | "delete";
  readonly kv: KeyValue;
  /** When it came here. */
  readonly at: Date;
}

interface WatchJson {
  readonly canceled?: boolean;
  readonly cancel_reason?: string;
  readonly compact_revision?: string;
  readonly events?: readonly { readonly type?: string; readonly kv?: KeyValueJson }[];
}

/** Ends when `signal` says so; rejects with an `ApiError` when the server ends it. */
export async function watchPrefix(
  api: EtcdApi,
  prefix: Uint8Array,
  signal: AbortSignal,
  onOpen: () => void,
  onChanges: (changes: readonly Change[]) => void,
): Promise<void> {
  const { key, end } = prefixRange(prefix);
  const request = { create_request: { key: toBase64(key), range_end: toBase64(end) } };
  for await (const answer of api.stream<WatchJson>("v3/watch", request, { signal })) {
    if (answer.canceled === true) {
      const reason = answer.cancel_reason ?? "the server ended the watch";
      const isDenied = reason.includes("permission denied");
      throw new ApiError(isDenied ? "denied" : "refused", reason);
    }
    onOpen();
    const at = new Date();
    const changes = (answer.events ?? []).map(({ type, kv }) => ({
      type: type === "DELETE" ? ("delete" as const) : ("put" as const),
      kv: keyValueOf(kv ?? {}),
      at,
    }));
    if (changes.length > 0) onChanges(changes);
  }
}
