/** Ids and numbers among the arguments. */
import type { LeaseID, MemberID } from "../../base/ids.ts";
import { ExitCode, exitWithError } from "../framework/exit.ts";
import { parseInt64, parseUint64 } from "../../base/go-number.ts";

/** A lease id in hexadecimal, as the tools print it. `what` begins the complaint. */
export function leaseIDFrom(text: string, what = "bad lease ID arg"): LeaseID {
  const id = parseInt64(text, 16);
  if ("value" in id) return BigInt.asUintN(64, id.value);
  return exitWithError(ExitCode.BAD_ARGS, `${what} (${id.error}), expecting ID in Hex`);
}

/** A member id in hexadecimal. */
export function memberIDFrom(text: string): MemberID {
  const id = parseUint64(text, 16);
  if ("value" in id) return id.value;
  return exitWithError(ExitCode.BAD_ARGS, `bad member ID arg (${id.error}), expecting ID in Hex`);
}

/** As the client takes revisions and times: what is farther from 0 is as good as the farthest. */
export function safeNumber(value: bigint): number {
  const limit = BigInt(Number.MAX_SAFE_INTEGER);
  if (value > limit) return Number.MAX_SAFE_INTEGER;
  return value < -limit ? -Number.MAX_SAFE_INTEGER : Number(value);
}
