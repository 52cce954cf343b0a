/**
 * The quota in front of the log: a request that would not fit is refused before it costs log
 * space, and the first refusal raises the alarm for the whole cluster.
 */
import { EtcdError } from "../../api/errors.ts";
import { AlarmRequest, AlarmRequest_AlarmAction, AlarmType } from "../../api/gen/rpc.ts";
import type { ServerContext } from "../context.ts";
import { RaftField } from "../log/raft-request.ts";

export type QuotaGateNeeds = Pick<
  ServerContext,
  "alarms" | "logger" | "memberID" | "propose" | "quota"
>;

export class QuotaGate {
  readonly #server: QuotaGateNeeds;
  #raising = false;

  constructor(server: QuotaGateNeeds) {
    this.#server = server;
  }

  /** Throws "database space exceeded". */
  check(costBytes: number): void {
    const { quota, alarms } = this.#server;
    if (quota.available(costBytes)) return;
    if (!alarms.has(AlarmType.NOSPACE)) this.#raiseAlarm();
    throw new EtcdError("noSpace");
  }

  #raiseAlarm(): void {
    if (this.#raising) return;
    this.#raising = true;
    const request = AlarmRequest.create({
      memberID: this.#server.memberID,
      action: AlarmRequest_AlarmAction.ACTIVATE,
      alarm: AlarmType.NOSPACE,
    });
    this.#server
      .propose(RaftField.alarm, AlarmRequest.encode(request))
      .catch((error: unknown) => this.#server.logger.warn("failed to raise alarm", { error }))
      .finally(() => {
        this.#raising = false;
      });
  }
}
