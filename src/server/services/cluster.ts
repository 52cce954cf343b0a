/** The Cluster service: the list of members, and its changes. */
import { EtcdError } from "../../api/errors.ts";
import {
  type Member as MemberRow,
  MemberAddRequest,
  MemberAddResponse,
  MemberListRequest,
  MemberListResponse,
  MemberPromoteRequest,
  MemberPromoteResponse,
  MemberRemoveRequest,
  MemberRemoveResponse,
  MemberUpdateRequest,
  MemberUpdateResponse,
  type ResponseHeader,
} from "../../api/gen/rpc.ts";
import { parseEtcdUrl } from "../../base/etcd-url.ts";
import { TextError } from "../../base/go-text.ts";
import type { UnaryCall } from "../../env/index.ts";
import { compareUtf8, computeMemberID, type Member } from "../../membership/index.ts";
import { METHOD } from "../../api/rpc-table.ts";
import type { Identity } from "../../auth/index.ts";
import type { ServerContext } from "../context.ts";
import { MembershipChanges, type MembershipChangesNeeds } from "../members/membership-changes.ts";
import { failWith, tokenOf } from "./reply.ts";
import type { UnaryRows } from "./rows.ts";

export type ClusterNeeds = MembershipChangesNeeds &
  Pick<ServerContext, "auth" | "header" | "reads" | "term">;

export class ClusterService {
  readonly unary: UnaryRows = {
    [METHOD.MemberList]: (call, who) => this.memberList(call, who),
    [METHOD.MemberAdd]: (call) => this.memberAdd(call),
    [METHOD.MemberRemove]: (call) => this.memberRemove(call),
    [METHOD.MemberUpdate]: (call) => this.memberUpdate(call),
    [METHOD.MemberPromote]: (call) => this.memberPromote(call),
  };
  readonly #server: ClusterNeeds;
  readonly #changes: MembershipChanges;

  constructor(server: ClusterNeeds) {
    this.#server = server;
    this.#changes = new MembershipChanges(server);
  }

  memberList(call: UnaryCall, who: Identity): void {
    const request = MemberListRequest.decode(call.body);
    const answer = (): void => {
      const members = this.#server.cluster.members.map(rowOf);
      call.reply(MemberListResponse.encode({ header: this.#header(), members }));
    };
    if (!request.linearizable) {
      answer();
      return;
    }
    this.#server.reads.add((error) => {
      try {
        if (error !== undefined) throw error;
        this.#server.auth.requireUser(who);
        answer();
      } catch (failure) {
        failWith(call, failure);
      }
    }, call.span);
  }

  /** The new member's id comes from its URLs and the time, so that it differs at each addition. */
  memberAdd(call: UnaryCall): void {
    const request = MemberAddRequest.decode(call.body);
    const peerURLs = checkedURLs(request.peerURLs);
    const { auth } = this.#server;
    auth.store.requireAdmin(auth.identifyNow(call));
    const member: Member = {
      id: computeMemberID(peerURLs, "", this.#server.clock.wallMs() / 1000),
      peerURLs,
      isLearner: request.isLearner,
      name: "",
      clientURLs: [],
    };
    this.#changes.add(member, call).then(
      (members) => {
        const fields = { header: this.#header(), members: members.map(rowOf) };
        call.reply(MemberAddResponse.encode({ ...fields, member: rowOf(member) }));
      },
      (error: unknown) => failWith(call, error),
    );
  }

  memberRemove(call: UnaryCall): void {
    const { ID } = MemberRemoveRequest.decode(call.body);
    this.#answer(call, this.#changes.remove(ID, call), MemberRemoveResponse);
  }

  /** As in etcd, the URLs are taken as they come. */
  memberUpdate(call: UnaryCall): void {
    const { ID, peerURLs } = MemberUpdateRequest.decode(call.body);
    this.#answer(call, this.#changes.update(ID, peerURLs, call), MemberUpdateResponse);
  }

  memberPromote(call: UnaryCall): void {
    const { ID } = MemberPromoteRequest.decode(call.body);
    this.#answer(call, this.#changes.promote(ID, tokenOf(call), call), MemberPromoteResponse);
  }

  #answer(
    call: UnaryCall,
    change: Promise<readonly Member[]>,
    response: { encode(message: { header: ResponseHeader; members: MemberRow[] }): Uint8Array },
  ): void {
    change.then(
      (members) => {
        call.reply(response.encode({ header: this.#header(), members: members.map(rowOf) }));
      },
      (error: unknown) => failWith(call, error),
    );
  }

  /** The header carries no revision, as etcd's does not in this service. */
  #header(): ResponseHeader {
    return this.#server.header.message(0, this.#server.term);
  }
}

function rowOf({ id, name, peerURLs, clientURLs, isLearner }: Member): MemberRow {
  return { ID: id, name, peerURLs: [...peerURLs], clientURLs: [...clientURLs], isLearner };
}

/** Sorted. Throws `memberBadURLs`. */
function checkedURLs(texts: readonly string[]): string[] {
  if (texts.length === 0) throw new EtcdError("memberBadURLs");
  try {
    return texts.map((text) => parseEtcdUrl(text).href).sort(compareUtf8);
  } catch (error) {
    if (error instanceof TextError) throw new EtcdError("memberBadURLs");
    throw error;
  }
}
