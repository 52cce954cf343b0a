/** The HTTP sides of a member: what the gateway is told about the server, and the peer paths. */
import { Request } from "../api/gen/etcdserver.ts";
import { KeyValue } from "../api/gen/kv.ts";
import { AlarmType } from "../api/gen/rpc.ts";
import { SERVER_VERSION } from "../api/version.ts";
import { latin1FromBytes, utf8FromBytes, viewAsBuffer } from "../base/bytes.ts";
import { formatID } from "../base/ids.ts";
import type { Clock } from "../env/clock.ts";
import type { HttpHandler } from "../env/http.ts";
import type { Logger } from "../env/logger.ts";
import type { RpcService } from "../env/rpc.ts";
import type { PasswordHasher } from "../env/secrets.ts";
import {
  type ClientHttpHandler,
  createHttpHandler,
  createMetricsHandler,
  type HealthSource,
  type Mount,
} from "../gateway/index.ts";
import {
  METRICS_CONTENT_TYPE,
  type MetricsRegistry,
  fileDescriptorLimit,
} from "../platform/index.ts";
import { NO_MEMBER } from "../raft/index.ts";
import { alarmName, type EtcdServer, requestTimeoutMs } from "../server/index.ts";
import { type V2Keys, v2Mounts, V3Keys } from "../v2/index.ts";
import type { EtcdConfig } from "./config/index.ts";
import { dashboardMounts } from "./dashboard.ts";
import { dashboardApiMounts } from "./dashboard-api.ts";
import type { MemberQuestions } from "./member-questions.ts";
import type { PeerStatistics } from "./peer-statistics.ts";
import { type V2BackendDeps, v2BackendOf } from "./v2-backend.ts";

export interface HttpHandlersDeps {
  readonly server: EtcdServer;
  /** Its services, for the gateway. */
  readonly service: RpcService;
  /** Serves what the transport between members uses on the peer port. */
  readonly raftHandler: HttpHandler;
  readonly config: EtcdConfig;
  readonly registry: MetricsRegistry;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly passwords: PasswordHasher;
  /** What peers tell each other; where the v2 API is served. */
  readonly statistics: PeerStatistics | undefined;
  /** To other members, for the dashboard; undefined without it. */
  readonly questions: MemberQuestions | undefined;
  /** Aborted when the member is about to stop. */
  readonly draining: AbortSignal;
}

export function makeHttpHandlers(deps: HttpHandlersDeps): {
  readonly client: ClientHttpHandler;
  readonly metrics: HttpHandler;
  readonly peer: HttpHandler;
} {
  const { server, service, config, registry, clock, logger, questions } = deps;
  const shared = {
    source: healthSourceOf(server),
    metrics: registry,
    exposition: { contentType: METRICS_CONTENT_TYPE, render: () => registry.render() },
    logger,
    clock,
    requestTimeoutMs: requestTimeoutMs(server.options),
  };
  const client = createHttpHandler({
    ...shared,
    source: clientHealthOf(server),
    service: config.enableGrpcGateway ? service : undefined,
    maxRequestBytes: config.maxRequestBytes,
    maxConcurrentStreams: config.maxConcurrentStreams,
    cors: config.cors,
    hostWhitelist: config.hostWhitelist,
    pprof: config.enablePprof || config.logLevel === "debug",
    clientCertAuth: config.clientCertAuth,
    authEnabled: () => server.auth.store.enabled,
    commandLine: process.argv,
    raftStatus: () => raftStatus(server),
    fileDescriptorLimit: fileDescriptorLimit,
    mounts: [
      ...v2MountsOf(deps),
      ...dashboardMounts(config, logger),
      ...(questions === undefined ? [] : dashboardApiMounts(server, questions)),
    ],
  });
  return { client, metrics: createMetricsHandler(shared), peer: peerHandler(deps) };
}

function v2MountsOf(deps: HttpHandlersDeps): readonly Mount[] {
  const { server, config, clock, logger, passwords, statistics, draining, registry } = deps;
  if (server.v2keys === undefined || statistics === undefined) return [];
  const { clientCertAuth } = config;
  return v2Mounts(
    v2BackendOf({
      ...v2KeysOf(deps, server.v2keys),
      ...{ server, clock, logger, metrics: registry, passwords },
      ...{ clientCertAuth, statistics, draining },
    }),
  );
}

/** The member's v2 store, or with `--experimental-enable-v2v3` the v3 keys below that prefix. */
function v2KeysOf(
  { server, service, config }: HttpHandlersDeps,
  own: V2Keys,
): Pick<V2BackendDeps, "keys" | "propose"> {
  if (config.enableV2V3 === "") {
    return { keys: own, propose: (request) => server.proposeV2(request) };
  }
  const keys = new V3Keys({
    service,
    prefix: config.enableV2V3,
    localValue: (key) => localValue(server, key),
  });
  return { keys, propose: (request) => keys.do(request) };
}

/** What this member has now, whether or not the cluster is further. */
function localValue({ store }: EtcdServer, key: Uint8Array): string | undefined {
  const { index } = store;
  if (!index.findLatest(latin1FromBytes(key))) return undefined;
  const record = viewAsBuffer(store.readRecord(index.main, index.sub));
  return utf8FromBytes(KeyValue.decode(record).value);
}

function healthSourceOf(server: EtcdServer): HealthSource {
  return {
    version: () => ({
      server: SERVER_VERSION,
      cluster: server.cluster.version,
      storage: server.storageVersion,
    }),
    alarms: () => server.alarms.list(AlarmType.NONE).map(({ alarm }) => alarmName(alarm)),
    hasLeader: () => server.leader !== NO_MEMBER,
    isLearner: () => server.cluster.local?.isLearner === true,
    linearizableRead: (signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) {
          reject(signal.reason);
          return;
        }
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        server.reads.add((error) => {
          if (error === undefined) resolve();
          else reject(error);
        });
        server.flush();
      }),
    serializableRead: async () => {
      server.store.index.findLatest("health");
    },
  };
}

/** With the v2 API clients ask for the health of that, as in etcd up to 3.5. */
function clientHealthOf(server: EtcdServer): HealthSource {
  const source = healthSourceOf(server);
  if (server.v2keys === undefined) return source;
  const request = Request.create({ Method: "QGET" });
  return {
    ...source,
    v2Read: async () => {
      await server.proposeV2(request);
    },
  };
}

/** As raft's status prints itself in etcd. */
function raftStatus(server: EtcdServer): unknown {
  const { id, term, vote, commit, lead, state, applied } = server.raft.node.basicStatus();
  return {
    id: formatID(id),
    term,
    vote: formatID(vote),
    commit,
    lead: formatID(lead),
    raftState: state,
    applied,
  };
}

function peerHandler({ server, raftHandler }: HttpHandlersDeps): HttpHandler {
  return {
    handle(request, response) {
      const isRaft = request.path === "/raft" || request.path.startsWith("/raft/");
      (isRaft ? raftHandler : server.peerApi).handle(request, response);
    },
  };
}
