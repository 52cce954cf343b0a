/**
 * A member whose client port is served by threads of their own, or by its own thread for comparison.
 * It has a second client port, which is served as in the product: for HTTP, which front ends do not
 * speak.
 */
import { METHODS } from "../../src/api/rpc-table.ts";
import { assert } from "../../src/base/assert.ts";
import { parseEtcdUrl } from "../../src/base/etcd-url.ts";
import type { EtcdConfig } from "../../src/embed/config/index.ts";
import { addressOf } from "../../src/embed/listeners.ts";
import { type RunningEtcd, startMember } from "../../src/embed/start-etcd.ts";
import type { Logger } from "../../src/env/logger.ts";
import { SystemClock } from "../../src/env/system-clock.ts";
import { MetricsRegistry } from "../../src/platform/index.ts";
import { listen, type Listener } from "../../src/transport/listener.ts";
import { FrontEnds, type FrontEndsOptions } from "./front-ends.ts";

/** For calls in flight when the member is to stop, as in the product. */
const STOP_GRACE_MS = 5000;

export interface FrontedMember {
  /** Of the port that front ends serve. */
  readonly port: number;
  /** As `RunningEtcd.clientAddresses`, of the second port. */
  readonly httpAddress: string;
  readonly etcd: RunningEtcd;
  /** Undefined without threads. */
  readonly frontEnds: FrontEnds | undefined;
  /** Settles when the member or one of its threads has ended. */
  readonly ended: Promise<unknown>;
  stop(): Promise<void>;
}

/** `config` is that of a member with one client URL, plain, whose port front ends take over. */
export async function startFronted(
  config: EtcdConfig,
  workers: number,
  logger: Logger,
): Promise<FrontedMember> {
  const [url, ...others] = config.listenClientUrls;
  assert(url !== undefined && others.length === 0, "front ends serve one client URL");
  const address = addressOf(url);
  assert(url.scheme === "http" && "port" in address, "front ends serve plain TCP");
  const own = parseEtcdUrl("http://127.0.0.1:0");
  const etcd = await startMember({ ...config, listenClientUrls: [own] }, logger);
  await etcd.ready;
  const service = etcd.rpc;
  const options = {
    workers,
    address,
    service,
    logger,
    limits: {
      maxRequestBytes: config.maxRequestBytes,
      maxConcurrentStreams: config.maxConcurrentStreams,
    },
  };
  const front = await openFront(options).catch(async (error: unknown) => {
    await etcd.stop();
    throw error;
  });
  assert("port" in front.address, "a client port is TCP");
  const frontEnds = front instanceof FrontEnds ? front : undefined;
  return {
    port: front.address.port,
    httpAddress: etcd.clientAddresses[0] ?? "",
    etcd,
    frontEnds,
    ended: Promise.race([etcd.stopped, ...(frontEnds === undefined ? [] : [frontEnds.ended])]),
    async stop() {
      service.endWaits();
      await front.drain(STOP_GRACE_MS);
      await service.settle(STOP_GRACE_MS);
      service.stop();
      await front.stop(STOP_GRACE_MS);
      await etcd.stop();
    },
  };
}

/** Without threads, the same listener on this one. */
function openFront(options: FrontEndsOptions): Promise<FrontEnds | Listener> {
  const { workers, address, limits, service, logger } = options;
  if (workers > 0) return FrontEnds.start(options);
  const metrics = new MetricsRegistry();
  const deps = { clock: new SystemClock(), logger, metrics, methods: METHODS };
  return listen(address, { ...deps, ...limits, service });
}
