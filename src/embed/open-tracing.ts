/** Distributed tracing of a member, loaded only where it is asked for. */
import type { Clock } from "../env/clock.ts";
import type { Logger } from "../env/logger.ts";
import type { Random } from "../env/random.ts";
import type { Tracing } from "../spans/index.ts";
import { quote } from "../base/go-quote.ts";
import { ConfigError, type EtcdConfig } from "./config/index.ts";

export interface TracingDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Undefined when it is off. Throws `ConfigError` for an address that etcd refuses. */
export async function openTracing(
  config: EtcdConfig,
  deps: TracingDeps,
): Promise<Tracing | undefined> {
  if (!config.enableDistributedTracing) return undefined;
  const badEscape = /%(?![0-9a-fA-F]{2}).{0,2}/.exec(config.distributedTracingAddress)?.[0];
  if (badEscape !== undefined) {
    const target = quote(`dns:///${config.distributedTracingAddress}`);
    throw new ConfigError(`parse ${target}: invalid URL escape ${quote(badEscape)}`);
  }
  const { startTracing } = await import("../spans/index.ts");
  const options = {
    address: config.distributedTracingAddress,
    serviceName: config.distributedTracingServiceName,
    instanceID: config.distributedTracingInstanceId,
    samplesPerMillion: config.distributedTracingSamplesPerMillion,
  };
  const tracing = startTracing(options, deps);
  deps.logger.debug("distributed tracing enabled", {
    address: options.address,
    "service-name": options.serviceName,
    "service-instance-id": options.instanceID,
    "sampling-rate": options.samplesPerMillion,
  });
  deps.logger.info("distributed tracing setup enabled");
  return tracing;
}
