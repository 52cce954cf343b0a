/** Distributed tracing: which calls are recorded, and how their spans reach a collector. */
import { InstrumentationScope, Resource } from "../api/gen/trace.ts";
import { SERVER_VERSION } from "../api/version.ts";
import type { Clock } from "../env/clock.ts";
import type { Logger } from "../env/logger.ts";
import type { Random } from "../env/random.ts";
import type { Tracer } from "../env/tracer.ts";
import { textAttribute } from "./attributes.ts";
import { ExportReport } from "./export-report.ts";
import { GrpcCollector, isPassing } from "./grpc-collector.ts";
import { SpanExporter } from "./span-exporter.ts";
import { SpanTracer } from "./span-tracer.ts";
import { UnixTime } from "./unix-time.ts";

/** How long a member that stops waits for the collector to take its last spans. */
export const STOP_EXPORT_MS = 3000;

export interface TracingOptions {
  /** Of the collector: "host:port" or "unix:path". */
  readonly address: string;
  readonly serviceName: string;
  /** Empty: none. */
  readonly instanceID: string;
  /** Calls that belong to no trace yet: so many of a million are recorded. */
  readonly samplesPerMillion: number;
}

export interface TracingDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface Tracing {
  readonly tracer: Tracer;
  /** Sends what waits, for a short time at most. No spans are taken any more. */
  stop(): Promise<void>;
}

/** Connects to nothing before there is a span to send. */
export function startTracing(options: TracingOptions, deps: TracingDeps): Tracing {
  const { clock, random, logger } = deps;
  const { address, serviceName, instanceID, samplesPerMillion } = options;
  const time = new UnixTime(clock);
  const attributes = [textAttribute("service.name", serviceName)];
  if (instanceID !== "") attributes.unshift(textAttribute("service.instance.id", instanceID));
  const exporter = new SpanExporter({
    clock,
    collector: new GrpcCollector(address, clock),
    report: new ExportReport(clock, logger, address),
    resource: Resource.create({ attributes }),
    scope: InstrumentationScope.create({ name: "etcd-ts", version: SERVER_VERSION }),
    isPassing,
    onBatch: () => time.adjust(),
  });
  const tracer = new SpanTracer({
    random,
    time,
    nowMs: () => clock.nowMs(),
    samplesPerMillion,
    sink: (span) => exporter.add(span),
  });
  return { tracer, stop: () => exporter.stop(STOP_EXPORT_MS) };
}
