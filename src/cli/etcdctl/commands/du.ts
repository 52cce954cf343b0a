/** `etcdctl du`: what fills the database below a prefix. etcd's own tool has no such command. */
import { bytesFromLatin1, latin1FromBytes } from "../../../base/bytes.ts";
import { bytesOfText } from "../../../base/raw-text.ts";
import type { EtcdClient } from "../../../client/index.ts";
import type { KeySpan } from "../../../insight/key-span.ts";
import { type SpaceReader, surveySpace } from "../../../insight/space.ts";
import type { Invocation } from "../../framework/command.ts";
import { ExitCode, exitWithError } from "../../framework/exit.ts";
import { openSession, type Session } from "../session.ts";
import { spaceView } from "../space-view.ts";
import { show } from "../view.ts";

/** Deeper trees than anybody reads; bounds what one command may ask for. */
const MAX_DU_DEPTH = 16;
/** Pages of one prefix; each may carry 256 KiB. */
const MAX_DU_SAMPLES = 1000;

export async function du(call: Invocation): Promise<void> {
  const { args, flags, io } = call;
  if (args.length > 1) exitWithError(ExitCode.BAD_ARGS, "du command needs at most one prefix");
  const separator = flags.string("separator");
  if (separator === "") exitWithError(ExitCode.BAD_ARGS, "the separator must not be empty");
  const depth = flagWithin(call, "depth", 0, MAX_DU_DEPTH);
  const samples = flagWithin(call, "samples", 1, MAX_DU_SAMPLES);
  const session = await openSession(call);
  const survey = surveySpace(readerOf(session), {
    prefix: latin1FromBytes(bytesOfText(args[0] ?? "")),
    separator: latin1FromBytes(bytesOfText(separator)),
    depth,
    samples,
    onRequest: (requests) => io.status(`${requests} requests`),
  });
  show(call, spaceView(await session.must("KV/Range", survey)));
}

function flagWithin({ flags }: Invocation, name: string, least: number, most: number): number {
  const value = flags.number(name);
  if (value >= least && value <= most) return value;
  return exitWithError(ExitCode.BAD_ARGS, `--${name} must be from ${least} to ${most}`);
}

/** As the member has it: figures need no agreement of the cluster. */
function readerOf({ client, bounded }: Session): SpaceReader {
  const range = async (span: KeySpan, options: Parameters<EtcdClient["kv"]["get"]>[1]) =>
    client.kv.get(span.begin === "" ? "\0" : bytesFromLatin1(span.begin), {
      ...{ ...options, ...bounded, serializable: true },
      rangeEnd: span.end === "" ? "\0" : bytesFromLatin1(span.end),
    });
  return {
    count: async (span) => (await range(span, { countOnly: true })).count,
    page: async (span, limit, keysOnly) => {
      const { kvs } = await range(span, { limit, keysOnly });
      return kvs.map(({ key, value, version }) => {
        return { key: latin1FromBytes(key), valueBytes: value.length, version };
      });
    },
  };
}
