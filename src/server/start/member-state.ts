/** The parts of a member that hold what the log has made, over the db that was found. */
import type { Index } from "../../base/ids.ts";
import { Lessor, minimumLeaseTTL } from "../../lease/index.ts";
import { isBefore } from "../../membership/index.ts";
import { Store, WatchableStore } from "../../mvcc/index.ts";
import { Authentication } from "../access/authentication.ts";
import { makeTokens } from "../access/make-tokens.ts";
import { Alarms } from "../apply/alarms.ts";
import { Quota } from "../apply/quota.ts";
import { StorageVersion } from "../apply/storage-version.ts";
import type { ServerContext } from "../context.ts";
import { serverLimits } from "../limits.ts";
import type { ServerDeps, ServerOptions } from "../options.ts";
import type { Bootstrapped } from "./bootstrap.ts";
import { logQuota, logRestored } from "./start-lines.ts";

export interface MemberState {
  readonly alarms: Alarms;
  readonly quota: Quota;
  readonly storageVersion: StorageVersion;
  readonly lessor: Lessor;
  readonly store: Store;
  readonly watchable: WatchableStore;
  readonly auth: Authentication;
}

/** Throws `AuthRecordError` when the db's records of users are damaged. Keys are not loaded yet. */
export function makeState(
  options: ServerOptions,
  deps: ServerDeps,
  { backend, cluster }: Pick<Bootstrapped, "backend" | "cluster">,
  appliedIndex: () => Index,
): MemberState {
  const { clock, logger, passwords } = deps;
  const { bcryptCost, clientCertAuth, electionTicks, heartbeatIntervalMs } = options;
  const checkpointIntervalMs = options.limits?.leaseCheckpointIntervalMs;
  const alarms = new Alarms(backend);
  const quota = new Quota(backend, options.quotaBackendBytes);
  logQuota(logger, options.quotaBackendBytes);
  const storageVersion = new StorageVersion(backend);
  const lessor = new Lessor({
    backend,
    minTTL: minimumLeaseTTL(electionTicks, heartbeatIntervalMs),
    metrics: deps.metrics,
    checkpoints: options.leaseCheckpoint,
    ...(checkpointIntervalMs !== undefined && { checkpointIntervalMs }),
    // Members of 3.5 and older keep them only if they are told to.
    persistCheckpoints: () =>
      options.leaseCheckpointPersist || !isBefore(cluster.version ?? "0.0.0", "3.6.0"),
    deleteKeys: (keys) => {
      store.deleteKeys(keys);
    },
  });
  const store = new Store({ backend, leases: lessor });
  const watchable = new WatchableStore(store);
  const auth = new Authentication({
    backend,
    clock,
    logger,
    tokens: makeTokens(options, deps),
    passwords,
    bcryptCost,
    clientCertAuth,
    leaseKeys: (lease) => lessor.lookup(lease)?.keys() ?? [],
    appliedIndex,
  });
  return { alarms, quota, storageVersion, lessor, store, watchable, auth };
}

type RestoreNeeds = Pick<
  ServerContext,
  "backend" | "defer" | "logger" | "options" | "store" | "watchable"
>;

/** Loads keys and leases, in slices. True when a compaction is to go on that was interrupted. */
export async function restoreState(
  server: RestoreNeeds,
  { keyHistory }: Pick<ServerDeps, "keyHistory">,
): Promise<boolean> {
  const { backend, defer, logger, options, store, watchable } = server;
  const { recordsPerStep } = serverLimits(options.limits);
  const steps = watchable.restoreSteps(backend, recordsPerStep, keyHistory);
  for (;;) {
    const step = steps.next();
    if (step.done === true) {
      const { resumedCompaction } = step.value;
      logRestored(logger, store);
      if (resumedCompaction === undefined) return false;
      logger.info("resume scheduled compaction", {
        "scheduled-compact-revision": resumedCompaction,
      });
      return true;
    }
    await new Promise<void>((resolve) => defer(resolve));
  }
}
