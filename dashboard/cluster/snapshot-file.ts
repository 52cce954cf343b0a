/** A member's database as one file: pieces in base64, the last of them the SHA-256 of the others. */
import { ApiError } from "../api/api-error.ts";
import { fromBase64 } from "../api/bytes.ts";
import type { EtcdApi } from "../api/etcd-api.ts";

interface SnapshotJson {
  readonly remaining_bytes?: string;
  readonly blob?: string;
}

/** Pieces that are joined before they are given to the browser, which may keep them on disk. */
const JOINED_BYTES = 8 * 1024 * 1024;
const DIGEST_BYTES = 32;

/** Rejects when the stream ends early. */
export async function snapshotFile(
  api: EtcdApi,
  signal: AbortSignal,
  onProgress: (done: number, total: number) => void,
): Promise<Blob> {
  const whole: Blob[] = [];
  let pieces: BlobPart[] = [];
  let joined = 0;
  let done = 0;
  let left = Number.POSITIVE_INFINITY;
  let lastBytes = 0;
  for await (const message of api.stream<SnapshotJson>("v3/maintenance/snapshot", {}, { signal })) {
    const blob = fromBase64(message.blob) as Uint8Array<ArrayBuffer>;
    left = Number(message.remaining_bytes ?? 0);
    lastBytes = blob.length;
    pieces.push(blob);
    joined += blob.length;
    done += blob.length;
    if (joined < JOINED_BYTES) continue;
    whole.push(new Blob(pieces));
    pieces = [];
    joined = 0;
    onProgress(done, done + left);
  }
  if (left !== 0 || lastBytes !== DIGEST_BYTES) {
    throw new ApiError("unreachable", "the snapshot ended before it was complete");
  }
  return new Blob([...whole, ...pieces], { type: "application/octet-stream" });
}
