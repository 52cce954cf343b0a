/** What etcd-discovery needs of the world. */
import type { Clock } from "../../env/clock.ts";
import type { Logger } from "../../env/logger.ts";
import type { Random } from "../../env/random.ts";

/** The etcd that the service brings along. */
export interface OwnEtcd {
  readonly endpoints: readonly string[];
  /** Settles when it ends, with the reason if nobody asked for it. */
  readonly stopped: Promise<Error | undefined>;
  stop(): Promise<void>;
}

export interface ServiceDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Throws with the reason when it cannot start. */
  startEtcd(dataDir: string): Promise<OwnEtcd>;
  /** Resolves when the program is asked to end. */
  readonly interrupted: Promise<void>;
}
