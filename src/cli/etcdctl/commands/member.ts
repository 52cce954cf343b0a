/** `etcdctl member ...`. */
import {
  MemberPromoteResponse,
  MemberRemoveResponse,
  MemberUpdateResponse,
} from "../../../api/gen/rpc.ts";
import { parseEtcdUrl } from "../../../base/etcd-url.ts";
import { TextError } from "../../../base/go-text.ts";
import type { MemberID } from "../../../base/ids.ts";
import type { Invocation } from "../../framework/command.ts";
import { ExitCode, exitWithError } from "../../framework/exit.ts";
import { memberAddView, membersView, wideID } from "../cluster-view.ts";
import { messageForms } from "../header-view.ts";
import { memberIDFrom } from "../numbers.ts";
import { openSession } from "../session.ts";
import { show } from "../view.ts";
import { isSerializable } from "./get.ts";

export async function memberAdd(call: Invocation): Promise<void> {
  const { args, flags } = call;
  const [name] = args;
  if (name === undefined) exitWithError(ExitCode.BAD_ARGS, "member name not provided");
  if (args.length > 1) {
    const hints = args
      .filter((arg) => arg.toLowerCase().startsWith("http"))
      .map((arg) => `, did you mean --peer-urls=${arg}`);
    exitWithError(ExitCode.BAD_ARGS, `too many arguments${hints.join("")}`);
  }
  const urls = peerUrls(call);
  const session = await openSession(call);
  mustBePeerUrls(urls);
  const response = await session.must(
    "Cluster/MemberAdd",
    session.client.cluster.memberAdd(urls, {
      ...session.bounded,
      isLearner: flags.bool("learner"),
    }),
  );
  show(call, memberAddView(response, name, flags.string("peer-urls")));
}

function peerUrls({ flags }: Invocation): string[] {
  const urls = flags.string("peer-urls");
  if (urls === "") exitWithError(ExitCode.BAD_ARGS, "member peer urls not provided");
  return urls.split(",");
}

/** Told before the cluster is asked. */
function mustBePeerUrls(urls: readonly string[]): void {
  try {
    for (const url of urls) parseEtcdUrl(url);
  } catch (error) {
    if (!(error instanceof TextError)) throw error;
    exitWithError(ExitCode.ERROR, error.message);
  }
}

function onlyMemberID({ args }: Invocation): MemberID {
  if (args.length !== 1) exitWithError(ExitCode.BAD_ARGS, "member ID is not provided");
  return memberIDFrom(args[0] ?? "");
}

function clusterOf(response: MemberRemoveResponse): string {
  return wideID(response.header?.clusterId ?? 0n);
}

export async function memberRemove(call: Invocation): Promise<void> {
  const id = onlyMemberID(call);
  const session = await openSession(call);
  const response = await session.must(
    "Cluster/MemberRemove",
    session.client.cluster.memberRemove(id, session.bounded),
  );
  const words = `Member ${wideID(id)} removed from cluster ${clusterOf(response)}`;
  show(call, {
    simple: (out) => out.line(words),
    ...messageForms(MemberRemoveResponse, response),
  });
}

export async function memberUpdate(call: Invocation): Promise<void> {
  const id = onlyMemberID(call);
  const urls = peerUrls(call);
  const session = await openSession(call);
  mustBePeerUrls(urls);
  const response = await session.must(
    "Cluster/MemberUpdate",
    session.client.cluster.memberUpdate(id, urls, session.bounded),
  );
  const words = `Member ${wideID(id)} updated in cluster ${clusterOf(response)}`;
  show(call, {
    simple: (out) => out.line(words),
    ...messageForms(MemberUpdateResponse, response),
  });
}

export async function memberPromote(call: Invocation): Promise<void> {
  const id = onlyMemberID(call);
  const session = await openSession(call);
  const response = await session.must(
    "Cluster/MemberPromote",
    session.client.cluster.memberPromote(id, session.bounded),
  );
  const words = `Member ${wideID(id)} promoted in cluster ${clusterOf(response)}`;
  show(call, {
    simple: (out) => out.line(words),
    ...messageForms(MemberPromoteResponse, response),
  });
}

export async function memberList(call: Invocation): Promise<void> {
  const linearizable = !isSerializable(call.flags.string("consistency"));
  const session = await openSession(call);
  const answer = session.client.cluster.memberList({ ...session.bounded, linearizable });
  show(call, membersView(await session.must("Cluster/MemberList", answer)));
}
