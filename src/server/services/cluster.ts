/** The Cluster service of one member: the member list. */
import { MemberListRequest, MemberListResponse, ResponseHeader } from "../../api/gen/rpc.ts";
import type { UnaryCall } from "../../env/index.ts";
import type { ServerContext } from "../context.ts";
import { failWith } from "./reply.ts";

export class ClusterService {
  readonly #server: ServerContext;

  constructor(server: ServerContext) {
    this.#server = server;
  }

  memberList(call: UnaryCall): void {
    const request = MemberListRequest.decode(call.body);
    if (!request.linearizable) {
      call.reply(this.#list());
      return;
    }
    this.#server.reads.add((error) => {
      if (error !== undefined) failWith(call, error);
      else call.reply(this.#list());
    });
  }

  /** The header carries no revision, as etcd's does not in this service. */
  #list(): Uint8Array {
    const { clusterID, memberID, term, cluster } = this.#server;
    return MemberListResponse.encode(
      MemberListResponse.create({
        header: ResponseHeader.create({
          clusterId: clusterID,
          memberId: memberID,
          raftTerm: term,
        }),
        members: cluster.members.map((member) => ({
          ID: member.id,
          name: member.name,
          peerURLs: [...member.peerURLs],
          clientURLs: [...member.clientURLs],
          isLearner: member.isLearner,
        })),
      }),
    );
  }
}
