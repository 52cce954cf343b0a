/** `etcdctl elect`: campaigns and leads until a signal comes, or shows who leads. */
import { RangeRequest, RangeResponse, ResponseHeader } from "../../../api/gen/rpc.ts";
import { KeyValue } from "../../../api/gen/kv.ts";
import {
  Election,
  EtcdClientError,
  METHODS,
  observeElection,
  Session as LeaseSession,
} from "../../../client/index.ts";
import type { Invocation } from "../../framework/command.ts";
import { ExitCode, exitWithError } from "../../framework/exit.ts";
import { bytesOfText } from "../../../base/raw-text.ts";
import { getView } from "../key-view.ts";
import { errorText, openSession, type Session } from "../session.ts";
import { interruption, whenAborted } from "../signals.ts";
import { show } from "../view.ts";

export async function elect(call: Invocation): Promise<void> {
  const { args, flags } = call;
  const refuse = (why: string): never => exitWithError(ExitCode.BAD_ARGS, why);
  if (args.length !== 1 && args.length !== 2) {
    refuse("elect takes one election name argument and an optional proposal argument");
  }
  const [name = "", proposal] = args;
  const listens = flags.bool("listen");
  const session = await openSession(call);
  if (proposal === undefined && !listens) refuse("no proposal argument but -l not set");
  if (proposal !== undefined && listens) refuse("proposal given but -l is set");
  try {
    if (proposal === undefined) await observe(session, name);
    else await campaign(session, name, proposal);
  } catch (error) {
    if (!(error instanceof EtcdClientError)) throw error;
    const text = error.kind === "aborted" ? "context canceled" : errorText(error);
    exitWithError(ExitCode.ERROR, text);
  }
}

async function observe({ call, client }: Session, name: string): Promise<void> {
  const signal = interruption();
  try {
    for await (const leader of observeElection(client, name, { signal })) {
      const { key, value, createRevision, modRevision, version, lease } = leader;
      const kv = KeyValue.create({ key, value, createRevision, modRevision, version, lease });
      const header = ResponseHeader.create({ revision: modRevision });
      show(call, getView(RangeResponse.create({ header, kvs: [kv] })));
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  if (!signal.aborted) exitWithError(ExitCode.ERROR, "elect: observer lost");
}

async function campaign(session: Session, name: string, proposal: string): Promise<void> {
  const { call, client, bounded } = session;
  const signal = interruption();
  const lease = await LeaseSession.create(client, bounded);
  const election = new Election(lease, name);
  await election.campaign(bytesOfText(proposal), { signal });
  const request = RangeRequest.create({ key: bytesOfText(election.key) });
  show(call, getView(await client.call(METHODS.range, request, bounded)));
  const lost = await Promise.race([whenAborted(signal), lease.lost]);
  if (lost !== undefined) exitWithError(ExitCode.ERROR, "elect: session expired");
  await election.resign(bounded);
}
