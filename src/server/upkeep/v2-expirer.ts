/**
 * Ends the keys of the v2 store whose time has come: the leader says through the log what time it
 * is, and every member ends the same keys. Nothing is said while no key has an end.
 */
import { Request } from "../../api/gen/etcdserver.ts";
import { EtcdError } from "../../api/errors.ts";
import type { Timer } from "../../env/index.ts";
import type { KeyStore } from "../../v2store/index.ts";
import type { ServerContext } from "../context.ts";

/** etcd's interval. */
const SYNC_INTERVAL_MS = 500;
const NS_PER_MS = 1_000_000n;

export type V2ExpirerNeeds = Pick<ServerContext, "clock" | "isLeader" | "logger" | "proposeV2">;

export class V2Expirer {
  readonly #server: V2ExpirerNeeds;
  readonly #keys: KeyStore;
  #timer: Timer | undefined;
  #isUnderWay = false;

  constructor(server: V2ExpirerNeeds, keys: KeyStore) {
    this.#server = server;
    this.#keys = keys;
  }

  start(): void {
    this.#timer = this.#server.clock.setTimer(SYNC_INTERVAL_MS, () => {
      this.start();
      if (this.#server.isLeader && this.#keys.hasExpiring && !this.#isUnderWay) this.#sync();
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #sync(): void {
    const { clock, logger } = this.#server;
    const Time = BigInt(Math.floor(clock.wallMs())) * NS_PER_MS;
    this.#isUnderWay = true;
    this.#server
      .proposeV2(Request.create({ Method: "SYNC", Time }))
      .catch((error: unknown) => {
        // The next interval tries again.
        if (!(error instanceof EtcdError)) throw error;
        logger.debug("failed to end keys of the v2 store", { error });
      })
      .finally(() => {
        this.#isUnderWay = false;
      });
  }
}
