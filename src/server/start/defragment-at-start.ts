/** Defragmentation of the db before the member serves, for those who asked for it. */
import type { Backend } from "../../backend/types.ts";
import { sizeFields } from "../../base/go-text.ts";
import type { Logger } from "../../env/logger.ts";

/**
 * Rewrites the db when that frees at least `thresholdBytes`; 0 is never. Rejects as
 * `Backend.defragment` does.
 */
export async function defragmentAtStart(
  backend: Backend,
  thresholdBytes: number,
  logger: Logger,
): Promise<void> {
  if (thresholdBytes === 0) return;
  const { sizeBytes, sizeInUseBytes } = backend;
  if (sizeBytes - sizeInUseBytes >= thresholdBytes) {
    await backend.defragment();
    return;
  }
  logger.info("Skipping defragmentation", {
    ...sizeFields("current-db-size", sizeBytes),
    ...sizeFields("current-db-size-in-use", sizeInUseBytes),
    ...sizeFields("experimental-bootstrap-defrag-threshold", thresholdBytes),
  });
}
