/**
 * Keep-alives of leases: whoever asks for the same lease while a question is under way gets its
 * answer.
 */
import { LeaseKeepAliveRequest, LeaseKeepAliveResponse } from "../../api/gen/rpc.ts";
import { copyBytes } from "../../base/bytes.ts";
import type { LeaseID } from "../../base/ids.ts";
import { isErrorKind } from "../../client/index.ts";
import type { StreamCall } from "../../env/rpc.ts";
import { type CallerIdentity, callerOf, statusOf, type Upstream } from "./upstream.ts";

export class LeaseStreams {
  readonly #upstream: Upstream;
  /** By caller and lease. */
  readonly #asked = new Map<string, Promise<LeaseKeepAliveResponse>>();

  constructor(upstream: Upstream) {
    this.#upstream = upstream;
  }

  open(call: StreamCall): void {
    let isClosed = false;
    let waiting = 0;
    let isEnded = false;
    const finish = (code: number, message: string): void => {
      if (isEnded) return;
      isEnded = true;
      call.finish(code, message);
    };
    const finishIfDone = (): void => {
      if (isClosed && waiting === 0) finish(0, "");
    };
    const fail = (error: unknown): void => {
      const { code, message } = statusOf(error);
      finish(code, message);
    };
    call.onCancel = () => {
      isEnded = true;
    };
    call.onHalfClose = () => {
      isClosed = true;
      finishIfDone();
    };
    call.onMessage = (message) => {
      if (isEnded) return;
      try {
        const { ID } = LeaseKeepAliveRequest.decode(copyBytes(message));
        waiting++;
        this.#renew(callerOf(call), ID).then((answer) => {
          waiting--;
          if (isEnded) return;
          call.send(LeaseKeepAliveResponse.encode(answer));
          finishIfDone();
        }, fail);
      } catch (error) {
        fail(error);
      }
    };
  }

  #renew(caller: CallerIdentity, lease: LeaseID): Promise<LeaseKeepAliveResponse> {
    const name = `${caller.name}\n${lease}`;
    const asked = this.#asked.get(name);
    if (asked !== undefined) return asked;
    const answer = this.#ask(caller, lease).finally(() => this.#asked.delete(name));
    this.#asked.set(name, answer);
    return answer;
  }

  /** A lease that is gone is no failure of the stream: its time to live is 0. */
  async #ask(caller: CallerIdentity, lease: LeaseID): Promise<LeaseKeepAliveResponse> {
    try {
      return await this.#upstream.clientOf(caller).lease.keepAliveOnce(lease);
    } catch (error) {
      if (!isErrorKind(error, "leaseNotFound")) throw error;
      const header = this.#upstream.lastHeader;
      return LeaseKeepAliveResponse.create({ header, ID: lease, TTL: 0 });
    }
  }
}
