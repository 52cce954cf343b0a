/**
 * Care of single members and of the whole cluster. Answers are etcd's messages, with etcd's field
 * names. What concerns one member asks the one that `endpoint` names, or any.
 */
import {
  AlarmRequest,
  AlarmRequest_AlarmAction,
  AlarmResponse,
  AlarmType,
  DefragmentRequest,
  type DefragmentResponse,
  DowngradeRequest,
  DowngradeRequest_DowngradeAction,
  type DowngradeResponse,
  HashKVRequest,
  type HashKVResponse,
  HashRequest,
  type HashResponse,
  MoveLeaderRequest,
  type MoveLeaderResponse,
  StatusRequest,
  type StatusResponse,
} from "../api/gen/rpc.ts";
import type { MemberID, Revision } from "../base/ids.ts";
import { mustBeID, mustBeWhole, namedIn } from "./arguments.ts";
import type { Caller } from "./caller.ts";
import { withJSONInside } from "./json.ts";
import { METHODS } from "./methods.ts";
import type { CallOptions } from "./options.ts";
import { Snapshot } from "./snapshot.ts";

const ALARMS = {
  none: AlarmType.NONE,
  noSpace: AlarmType.NOSPACE,
  corrupt: AlarmType.CORRUPT,
} as const;

export type AlarmName = keyof typeof ALARMS;

const DOWNGRADE_ACTIONS = {
  validate: DowngradeRequest_DowngradeAction.VALIDATE,
  enable: DowngradeRequest_DowngradeAction.ENABLE,
  cancel: DowngradeRequest_DowngradeAction.CANCEL,
} as const;

export class Maintenance {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Works without a quorum. */
  status(options: CallOptions = {}): Promise<StatusResponse> {
    return this.#caller.unary(METHODS.status, StatusRequest.create(), options);
  }

  /** The alarms that are raised. */
  alarmList(options: CallOptions = {}): Promise<AlarmResponse> {
    const request = AlarmRequest.create({ action: AlarmRequest_AlarmAction.GET });
    return this.#caller.unary(METHODS.alarm, request, options, "read");
  }

  async alarmActivate(
    memberID: MemberID,
    alarm: AlarmName,
    options: CallOptions = {},
  ): Promise<AlarmResponse> {
    const request = AlarmRequest.create({
      action: AlarmRequest_AlarmAction.ACTIVATE,
      memberID: mustBeID("memberID", memberID),
      alarm: namedIn("alarm", alarm, ALARMS),
    });
    return this.#caller.unary(METHODS.alarm, request, options, "repeatable");
  }

  /** Clears an alarm. Member 0n and alarm "none" together stand for all that are raised. */
  async alarmDisarm(
    memberID: MemberID,
    alarm: AlarmName,
    options: CallOptions = {},
  ): Promise<AlarmResponse> {
    const named = namedIn("alarm", alarm, ALARMS);
    if (mustBeID("memberID", memberID) !== 0n || alarm !== "none") {
      return this.#disarm(memberID, named, options);
    }
    const raised = await this.alarmList(options);
    const all = AlarmResponse.create({ header: raised.header });
    for (const { memberID: each, alarm: code } of raised.alarms) {
      all.alarms.push(...(await this.#disarm(each, code, options)).alarms);
    }
    return withJSONInside(all);
  }

  #disarm(memberID: MemberID, alarm: number, options: CallOptions): Promise<AlarmResponse> {
    const request = AlarmRequest.create({
      action: AlarmRequest_AlarmAction.DEACTIVATE,
      memberID,
      alarm,
    });
    return this.#caller.unary(METHODS.alarm, request, options, "repeatable");
  }

  /** Gives free space of a member's database file back. */
  defragment(options: CallOptions = {}): Promise<DefragmentResponse> {
    return this.#caller.unary(METHODS.defragment, DefragmentRequest.create(), options);
  }

  /** Hash of a member's whole database. */
  hash(options: CallOptions = {}): Promise<HashResponse> {
    return this.#caller.unary(METHODS.hash, HashRequest.create(), options);
  }

  /** Hash of a member's keys up to `revision`; 0 is the newest. */
  async hashKV(revision: Revision = 0, options: CallOptions = {}): Promise<HashKVResponse> {
    const request = HashKVRequest.create({ revision: mustBeWhole("revision", revision) });
    return this.#caller.unary(METHODS.hashKV, request, options);
  }

  /**
   * A member's database as one stream of bytes, checked against its SHA-256. What it yields, in
   * order, is a snapshot file as `etcdutl snapshot restore` reads it.
   */
  snapshot(options: CallOptions = {}): Snapshot {
    return new Snapshot(this.#caller, options);
  }

  /** Asks the leader, which must be the one that answers, to make `targetID` the leader. */
  async moveLeader(targetID: MemberID, options: CallOptions = {}): Promise<MoveLeaderResponse> {
    const request = MoveLeaderRequest.create({ targetID: mustBeID("targetID", targetID) });
    return this.#caller.unary(METHODS.moveLeader, request, options);
  }

  downgrade(
    action: keyof typeof DOWNGRADE_ACTIONS,
    version: string,
    options: CallOptions = {},
  ): Promise<DowngradeResponse> {
    const request = DowngradeRequest.create({ action: DOWNGRADE_ACTIONS[action], version });
    return this.#caller.unary(METHODS.downgrade, request, options);
  }
}
