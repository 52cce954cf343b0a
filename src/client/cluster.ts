/** Members of the cluster. Answers are etcd's messages, with etcd's field names. */
import {
  MemberAddRequest,
  type MemberAddResponse,
  MemberListRequest,
  type MemberListResponse,
  MemberPromoteRequest,
  type MemberPromoteResponse,
  MemberRemoveRequest,
  type MemberRemoveResponse,
  MemberUpdateRequest,
  type MemberUpdateResponse,
} from "../api/gen/rpc.ts";
import type { MemberID } from "../base/ids.ts";
import { mustBeID } from "./arguments.ts";
import { optionNames } from "../base/known-options.ts";
import type { Caller } from "./caller.ts";
import { METHODS } from "./methods.ts";
import { CALL_OPTIONS, type CallOptions } from "./options.ts";

export interface MemberAddOptions extends CallOptions {
  /** The new member follows without a vote until it is promoted. Default false. */
  readonly isLearner?: boolean | undefined;
}

export interface MemberListOptions extends CallOptions {
  /** False: answered by any member from what it knows, also without a quorum. Default true. */
  readonly linearizable?: boolean | undefined;
}

const ADD_OPTIONS = optionNames<MemberAddOptions>({ ...CALL_OPTIONS, isLearner: true });
const LIST_OPTIONS = optionNames<MemberListOptions>({ ...CALL_OPTIONS, linearizable: true });

export class Cluster {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  memberList(options: MemberListOptions = {}): Promise<MemberListResponse> {
    const request = MemberListRequest.create({ linearizable: options.linearizable ?? true });
    const { memberList } = METHODS;
    return this.#caller.unary(memberList, request, options, memberList.repeat, LIST_OPTIONS);
  }

  /** Announces a member; it must then be started with the same peer URLs. */
  memberAdd(
    peerURLs: readonly string[],
    options: MemberAddOptions = {},
  ): Promise<MemberAddResponse> {
    const request = MemberAddRequest.create({
      peerURLs: [...peerURLs],
      isLearner: options.isLearner ?? false,
    });
    const { memberAdd } = METHODS;
    return this.#caller.unary(memberAdd, request, options, memberAdd.repeat, ADD_OPTIONS);
  }

  async memberRemove(memberID: MemberID, options: CallOptions = {}): Promise<MemberRemoveResponse> {
    const request = MemberRemoveRequest.create({ ID: mustBeID("memberID", memberID) });
    return this.#caller.unary(METHODS.memberRemove, request, options);
  }

  async memberUpdate(
    memberID: MemberID,
    peerURLs: readonly string[],
    options: CallOptions = {},
  ): Promise<MemberUpdateResponse> {
    const request = MemberUpdateRequest.create({
      ID: mustBeID("memberID", memberID),
      peerURLs: [...peerURLs],
    });
    return this.#caller.unary(METHODS.memberUpdate, request, options);
  }

  /** Gives a learner that is in sync a vote. */
  async memberPromote(
    memberID: MemberID,
    options: CallOptions = {},
  ): Promise<MemberPromoteResponse> {
    const request = MemberPromoteRequest.create({ ID: mustBeID("memberID", memberID) });
    return this.#caller.unary(METHODS.memberPromote, request, options);
  }
}
