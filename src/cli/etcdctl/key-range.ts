/** Key and range end from arguments and the flags --prefix and --from-key. */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { prefixEnd } from "../../client/index.ts";
import { ExitCode, exitWithError } from "../framework/exit.ts";
import type { FlagSet } from "../framework/flags.ts";
import { bytesOfText } from "../../base/raw-text.ts";

const ZERO = Uint8Array.of(0);

export interface KeyRange {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

/** An empty key with --prefix or --from-key means all keys. */
export function keyRange(args: readonly string[], flags: FlagSet): KeyRange {
  const key = bytesOfText(args[0] ?? "");
  const isPrefix = flags.bool("prefix");
  const isFromKey = flags.bool("from-key");
  if (args.length > 1) {
    if (isPrefix || isFromKey) {
      exitWithError(
        ExitCode.BAD_ARGS,
        "too many arguments, only accept one argument when `--prefix` or `--from-key` is set",
      );
    }
    return { key, rangeEnd: bytesOfText(args[1] ?? "") };
  }
  if (!isPrefix && !isFromKey) return { key, rangeEnd: EMPTY_BYTES };
  if (key.length === 0) return { key: ZERO, rangeEnd: ZERO };
  return { key, rangeEnd: isPrefix ? prefixEnd(key) : ZERO };
}
