/** `etcdctl del`. */
import { DeleteRangeRequest } from "../../../api/gen/rpc.ts";
import { METHODS } from "../../../client/index.ts";
import { sleep } from "../../../env/sleep.ts";
import type { Invocation } from "../../framework/command.ts";
import { ExitCode, exitWithError } from "../../framework/exit.ts";
import type { FlagSet } from "../../framework/flags.ts";
import { quote } from "../../../base/go-quote.ts";
import { keyRange } from "../key-range.ts";
import { delView } from "../key-view.ts";
import { openSession } from "../session.ts";
import { show } from "../view.ts";

/** Time to think again before a range is deleted. */
const SECOND_THOUGHTS_MS = 2000;

export async function del(call: Invocation): Promise<void> {
  const { args, flags, io } = call;
  const request = delRequest(args, flags);
  if (args.length > 1 && !flags.bool("range")) {
    io.err(
      `Warning: Keys between ${quote(args[0] ?? "")} and ${quote(args[1] ?? "")} will be deleted. Please interrupt the command within next 2 seconds to cancel. You can provide \`--range\` flag to avoid the delay.\n`,
    );
    await sleep(io.clock, SECOND_THOUGHTS_MS);
  }
  const session = await openSession(call);
  const answer = session.client.call(METHODS.deleteRange, request, session.bounded);
  show(call, delView(await session.must("KV/DeleteRange", answer)));
}

/** Also for `del` inside a transaction. */
export function delRequest(args: readonly string[], flags: FlagSet): DeleteRangeRequest {
  if (args.length === 0 || args.length > 2) {
    exitWithError(
      ExitCode.BAD_ARGS,
      "del command needs one argument as key and an optional argument as range_end",
    );
  }
  if (flags.bool("prefix") && flags.bool("from-key")) {
    exitWithError(
      ExitCode.BAD_ARGS,
      "`--prefix` and `--from-key` cannot be set at the same time, choose one",
    );
  }
  return DeleteRangeRequest.create({ ...keyRange(args, flags), prevKv: flags.bool("prev-kv") });
}
