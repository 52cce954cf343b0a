/** How a client without sockets reaches members: by the host of their URL, which is their name. */
import { StatusCode } from "../api/errors.ts";
import type { Dial, DialOptions, Target } from "../client/connection.ts";
import type { Clock, RpcService } from "../env/index.ts";
import { RpcError } from "../transport/client/rpc-error.ts";
import { LocalConnection } from "./local-connection.ts";
import type { Life } from "./world/member.ts";
import type { Actor, Scheduler } from "./world/scheduler.ts";

export interface LocalDialOptions {
  readonly scheduler: Scheduler;
  readonly clock: Clock;
  readonly latencyMs: number;
  /** The process that dials; undefined for one that never stands still. */
  readonly owner: Actor | undefined;
  /** The process that listens there, if there is one that serves. */
  readonly find: (url: string) => { life: Life; service: RpcService } | undefined;
}

/** Connections made so far, over all worlds: their names only need to differ. */
let connections = 0;

export function dialLocally(target: Target, dial: DialOptions, options: LocalDialOptions): Dial {
  const { scheduler, clock, latencyMs, owner } = options;
  let fail: (reason: string) => void = () => undefined;
  const connection = new Promise<LocalConnection>((resolve, reject) => {
    const timer = clock.setTimer(dial.timeoutMs, () => fail("i/o timeout"));
    fail = (reason) => {
      timer.cancel();
      const text = `dial ${target.url}: ${reason}`;
      reject(
        new RpcError(
          StatusCode.UNAVAILABLE,
          `connection error: desc = "transport: Error while dialing: ${text}"`,
          true,
        ),
      );
    };
    const found = options.find(target.url);
    if (found === undefined) {
      scheduler.at(latencyMs, "client", owner, () => fail("connect: connection refused"));
      return;
    }
    const { life, service } = found;
    const source = `client ${++connections}`;
    const established = (): void => {
      timer.cancel();
      const onClose = (reason: string): void => dial.connection.onClose?.(reason);
      resolve(
        new LocalConnection({ scheduler, owner, life, service, clock, source, latencyMs, onClose }),
      );
    };
    scheduler.at(latencyMs, source, life.actor, () =>
      scheduler.at(latencyMs, "client", owner, established),
    );
  });
  return { connection, abandon: () => fail("the client is closed") };
}
