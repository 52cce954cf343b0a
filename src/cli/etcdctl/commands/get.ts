/** `etcdctl get`. */
import {
  RangeRequest,
  RangeRequest_SortOrder,
  RangeRequest_SortTarget,
  RangeResponse,
  type RangeStreamResponse,
} from "../../../api/gen/rpc.ts";
import { METHODS } from "../../../client/index.ts";
import type { Invocation } from "../../framework/command.ts";
import { ExitCode, exitWithError } from "../../framework/exit.ts";
import { quote } from "../../../base/go-quote.ts";
import type { FlagSet } from "../../framework/flags.ts";
import { getView } from "../key-view.ts";
import { keyRange } from "../key-range.ts";
import { openSession, type Session } from "../session.ts";
import { formatOf, show } from "../view.ts";

const ORDERS: Readonly<Record<string, number>> = {
  "": RangeRequest_SortOrder.NONE,
  ASCEND: RangeRequest_SortOrder.ASCEND,
  DESCEND: RangeRequest_SortOrder.DESCEND,
};

const TARGETS: Readonly<Record<string, number>> = {
  "": RangeRequest_SortTarget.KEY,
  CREATE: RangeRequest_SortTarget.CREATE,
  KEY: RangeRequest_SortTarget.KEY,
  MODIFY: RangeRequest_SortTarget.MOD,
  VALUE: RangeRequest_SortTarget.VALUE,
  VERSION: RangeRequest_SortTarget.VERSION,
};

export async function get(call: Invocation): Promise<void> {
  const { args, flags } = call;
  const request = getRequest(args, flags);
  const session = await openSession(call);
  const response = flags.bool("stream")
    ? await session.must("KV/RangeStream", rangeInPieces(session, request))
    : await session.must("KV/Range", session.client.call(METHODS.range, request, session.bounded));
  const valueOnly = flags.bool("print-value-only");
  if (flags.bool("count-only") && formatOf(call) !== "fields") {
    exitWithError(ExitCode.BAD_ARGS, "--count-only is only for `--write-out=fields`");
  }
  if (valueOnly && formatOf(call) !== "simple") {
    exitWithError(ExitCode.BAD_ARGS, "print-value-only is only for `--write-out=simple`");
  }
  show(call, getView(response), valueOnly);
}

/** One answer made of the pieces of a stream: keys in order, and the last that is told of the rest. */
async function rangeInPieces(
  { client, bounded }: Session,
  request: RangeRequest,
): Promise<RangeResponse> {
  const whole = RangeResponse.create();
  const add = ({ rangeResponse }: RangeStreamResponse): void => {
    if (rangeResponse === undefined) return;
    const { header, kvs, more, count } = rangeResponse;
    whole.header = header ?? whole.header;
    for (const kv of kvs) whole.kvs.push(kv);
    whole.more ||= more;
    whole.count = count || whole.count;
  };
  await client.receive(METHODS.rangeStream, request, add, bounded);
  return whole;
}

/** Also for `get` inside a transaction. */
export function getRequest(args: readonly string[], flags: FlagSet): RangeRequest {
  if (args.length === 0) {
    exitWithError(
      ExitCode.BAD_ARGS,
      "get command needs one argument as key and an optional argument as range_end",
    );
  }
  if (flags.bool("prefix") && flags.bool("from-key")) refusePair("--prefix", "--from-key");
  if (flags.bool("keys-only") && flags.bool("count-only"))
    refusePair("--keys-only", "--count-only");
  const serializable = isSerializable(flags.string("consistency"));
  const range = keyRange(args, flags);
  const sortOrder = ORDERS[flags.string("order").toUpperCase()];
  if (sortOrder === undefined) {
    exitWithError(ExitCode.BAD_FEATURE, `bad sort order ${flags.string("order")}`);
  }
  const sortTarget = TARGETS[flags.string("sort-by").toUpperCase()];
  if (sortTarget === undefined) {
    exitWithError(ExitCode.BAD_FEATURE, `bad sort target ${flags.string("sort-by")}`);
  }
  checkRevisions(flags, "create-rev", "CreateRev");
  checkRevisions(flags, "mod-rev", "ModRev");
  const isKeyAscending =
    sortTarget === RangeRequest_SortTarget.KEY && sortOrder === RangeRequest_SortOrder.ASCEND;
  return RangeRequest.create({
    ...range,
    limit: flags.number("limit"),
    revision: positive(flags, "rev"),
    // By key and ascending is how keys come anyway.
    sortOrder: isKeyAscending ? RangeRequest_SortOrder.NONE : sortOrder,
    sortTarget,
    serializable,
    keysOnly: flags.bool("keys-only"),
    countOnly: flags.bool("count-only"),
    minModRevision: positive(flags, "min-mod-rev"),
    maxModRevision: positive(flags, "max-mod-rev"),
    minCreateRevision: positive(flags, "min-create-rev"),
    maxCreateRevision: positive(flags, "max-create-rev"),
  });
}

function positive(flags: FlagSet, name: string): number {
  return Math.max(0, flags.number(name));
}

function refusePair(first: string, second: string): never {
  return exitWithError(
    ExitCode.BAD_ARGS,
    `\`${first}\` and \`${second}\` cannot be set at the same time, choose one`,
  );
}

function checkRevisions(flags: FlagSet, name: string, shown: string): void {
  const min = flags.int(`min-${name}`);
  const max = flags.int(`max-${name}`);
  if (max > 0n && min > max) {
    exitWithError(ExitCode.BAD_FEATURE, `getMin${shown}(=${min}) > getMax${shown}(=${max})`);
  }
}

/** "s" or "l". */
export function isSerializable(consistency: string): boolean {
  if (consistency === "s" || consistency === "l") return consistency === "s";
  return exitWithError(ExitCode.BAD_FEATURE, `unknown consistency flag ${quote(consistency)}`);
}
