/** Warns of a snapshot that is held for long: while it is, the pages of its state cannot be reused. */
import { formatDuration, humanizeBytes } from "../base/go-text.ts";
import type { Clock, Timer } from "../env/clock.ts";
import type { Logger } from "../env/logger.ts";

/** No transfer is called slow before this. */
const MIN_PATIENCE_MS = 30_000;
/** What a network of a gigabit per second carries at least. */
const EXPECTED_BYTES_PER_SECOND = 100 * 1024 * 1024;

/** Warns again after each such time until the returned function is called. */
export function watchTransfer(
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  bytes: number,
): () => void {
  const patienceMs = Math.max(MIN_PATIENCE_MS, (bytes / EXPECTED_BYTES_PER_SECOND) * 1000);
  const startMs = clock.nowMs();
  let timer: Timer;
  const arm = (): void => {
    timer = clock.setTimer(patienceMs, () => {
      logger.warn("snapshotting taking too long to transfer", {
        taking: formatDuration(clock.nowMs() - startMs),
        bytes,
        size: humanizeBytes(bytes),
      });
      arm();
    });
  };
  arm();
  return () => timer.cancel();
}
