/** Commands about the members of a cluster. */
import { errorMessage } from "../../base/error-message.ts";
import { quote } from "../../base/go-quote.ts";
import type { Action } from "./actions.ts";
import type { ActionName } from "./command-table.ts";
import { type Member, MembersApi } from "./members-api.ts";
import { type Session, V2Exit } from "./session.ts";
import { CliExit } from "../framework/exit.ts";

async function openMembers(session: Session): Promise<MembersApi> {
  return new MembersApi(await session.client());
}

/** The call's result; ends the command with one line, `prefix` before the error. */
async function resultOf<T>(session: Session, call: Promise<T>, prefix = ""): Promise<T> {
  try {
    return await call;
  } catch (error) {
    return session.refuse(`${prefix}${errorMessage(error)}`);
  }
}

const memberList: Action = async (session) => {
  if (session.args.length > 0) session.refuse("No arguments accepted");
  const api = await openMembers(session);
  const deadline = session.deadline();
  const members = await resultOf(session, api.list(deadline));
  const leader = await resultOf(session, api.leader(deadline), "Failed to get leader:  ");
  for (const member of members) session.io.out(memberLine(member, member.id === leader.id));
};

function memberLine({ id, name, peerURLs, clientURLs }: Member, isLeader: boolean): string {
  const peers = `peerURLs=${peerURLs.join(",")}`;
  if (name === "") return `${id}[unstarted]: ${peers}\n`;
  return `${id}: name=${name} ${peers} clientURLs=${clientURLs.join(",")} isLeader=${isLeader}\n`;
}

const memberAdd: Action = async (session) => {
  const [name, url] = session.args;
  if (name === undefined || url === undefined || session.args.length > 2) {
    return session.refuse("Provide a name and a single member peerURL");
  }
  const api = await openMembers(session);
  const deadline = session.deadline();
  const added = await resultOf(session, api.add(url, deadline));
  session.io.out(`Added member named ${name} with ID ${added.id} to cluster\n`);
  const members = await resultOf(session, api.list(deadline));
  const cluster = members.flatMap((member) =>
    member.peerURLs.map((peer) => `${member.id === added.id ? name : member.name}=${peer}`),
  );
  session.io.out(`\nETCD_NAME=${quote(name)}\n`);
  session.io.out(`ETCD_INITIAL_CLUSTER=${quote(cluster.join(","))}\n`);
  session.io.out('ETCD_INITIAL_CLUSTER_STATE="existing"\n');
};

const REMOVE_HELP =
  "https://github.com/etcd-io/etcd/blob/master/Documentation/runtime-configuration.md#remove-a-member";

const memberRemove: Action = async (session) => {
  const [id] = session.args;
  if (id === undefined || session.args.length > 1)
    return session.refuse("Provide a single member ID");
  const api = await openMembers(session);
  const deadline = session.deadline();
  const prefix = "Error while verifying ID against known members: ";
  const members = await resultOf(session, api.list(deadline), prefix);
  for (const member of members.filter(({ name }) => name === id)) {
    session.io.err(
      `Found a member named ${id}; if this is correct, please use its ID, eg:\n` +
        `\tetcdctl member remove ${member.id}\n` +
        `For more details, read the documentation at ${REMOVE_HELP}\n\n`,
    );
  }
  if (!members.some((member) => member.id === id)) {
    session.refuse(`Couldn't find a member in the cluster with an ID of ${id}.`);
  }
  try {
    await api.remove(id, deadline);
  } catch (error) {
    session.io.err(`Received an error trying to remove member ${id}: ${errorMessage(error)}`);
    throw new CliExit(V2Exit.BAD_ARGS);
  }
  session.io.out(`Removed member ${id} from cluster\n`);
};

const memberUpdate: Action = async (session) => {
  const [id, urls] = session.args;
  if (id === undefined || urls === undefined || session.args.length > 2) {
    return session.refuse(
      "Provide an ID and a list of comma separated peerURL " +
        "(0xabcd http://example.com,http://example1.com)",
    );
  }
  const api = await openMembers(session);
  await resultOf(session, api.update(id, urls.split(","), session.deadline()));
  session.io.out(`Updated member with ID ${id} in cluster\n`);
};

/** By the names of the command table. */
export const MEMBER_ACTIONS = {
  memberList,
  memberAdd,
  memberRemove,
  memberUpdate,
} satisfies Partial<Record<ActionName, Action>>;
