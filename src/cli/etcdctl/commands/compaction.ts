/** `etcdctl compaction`. */
import type { Invocation } from "../../framework/command.ts";
import { ExitCode, exitWithError } from "../../framework/exit.ts";
import { parseInt64 } from "../../../base/go-number.ts";
import { safeNumber } from "../numbers.ts";
import { openSession } from "../session.ts";

export async function compaction(call: Invocation): Promise<void> {
  const { args, flags, io } = call;
  if (args.length !== 1) exitWithError(ExitCode.BAD_ARGS, "compaction command needs 1 argument");
  const revision = parseInt64(args[0] ?? "", 10);
  if ("error" in revision) exitWithError(ExitCode.ERROR, revision.error);
  const session = await openSession(call);
  const wanted = safeNumber(revision.value);
  const physical = flags.bool("physical");
  const answer = session.client.kv.compact(wanted, { ...session.bounded, physical });
  await session.must("KV/Compact", answer);
  io.out(`compacted revision ${revision.value}\n`);
}
