/**
 * The last line of a terminal, for what is true only for a moment. It is gone before anything else
 * is written, so that results stand at the beginning of a line and nothing of it stays behind.
 */
import type { Io } from "./io.ts";

const CLEAR_LINE = "\r\x1b[K";

/** Writes all of it to a descriptor: 1 is standard output, 2 standard error. */
type Write = (descriptor: 1 | 2, data: string | Uint8Array) => void;

export interface Output extends Pick<Io, "out" | "err" | "status"> {
  /** Takes the line away; for the end of the process. */
  clear(): void;
}

/** `isWatched` tells whether somebody looks, and is asked at the first status. */
export function outputWithStatus(write: Write, isWatched: () => boolean): Output {
  let looks: boolean | undefined;
  let isShown = false;
  const clear = (): void => {
    if (isShown) write(2, CLEAR_LINE);
    isShown = false;
  };
  const writeBehind = (descriptor: 1 | 2, data: string | Uint8Array): void => {
    clear();
    write(descriptor, data);
  };
  return {
    out: (data) => writeBehind(1, data),
    err: (data) => writeBehind(2, data),
    status: (text) => {
      looks ??= isWatched();
      if (!looks) return;
      isShown = true;
      write(2, `${CLEAR_LINE}${text}`);
    },
    clear,
  };
}
