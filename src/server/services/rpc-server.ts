/**
 * The member as the transport sees it: encoded requests in, encoded replies out. One batch of calls
 * is taken apart to the services and then given to raft together.
 */
import { EtcdError, StatusCode } from "../../api/errors.ts";
import { RangeRequest } from "../../api/gen/rpc.ts";
import { METHOD, METHODS } from "../../api/rpc-table.ts";
import type { Call, Counter, RpcService, StreamCall, UnaryCall } from "../../env/index.ts";
import { NO_MEMBER } from "../../raft/index.ts";
import type { ServerContext } from "../context.ts";
import { LeaderBoundStreams } from "./leader-bound-streams.ts";
import { RequestMeter } from "../tracing/request-meter.ts";
import { ClusterService } from "./cluster.ts";
import { DowngradeService } from "./downgrade.ts";
import { HealthService } from "./health.ts";
import { KeyValueService } from "./kv.ts";
import { LeaseService } from "./lease.ts";
import { MaintenanceService } from "./maintenance.ts";
import { QuotaGate } from "./quota-gate.ts";
import { RangeStreamService } from "./range-stream.ts";
import { failWith, statusOf } from "./reply.ts";
import { WatchService } from "./watch.ts";
import { SlowRequests } from "../tracing/slow-requests.ts";

/** What etcd's clients send as "client-api-version". */
const CLIENT_VERSION = /^3\.\d{1,2}$/;

const KV_SERVICE = "etcdserverpb.KV";

type UnaryHandler = (call: UnaryCall) => void;
type StreamHandler = (call: StreamCall) => void;

export class RpcServer implements RpcService {
  readonly #server: ServerContext;
  readonly #leaderBound: LeaderBoundStreams;
  readonly #watch: WatchService;
  readonly #lease: LeaseService;
  readonly #health: HealthService;
  readonly #unary: (UnaryHandler | undefined)[] = METHODS.map(() => undefined);
  readonly #requests = {
    unary: new Map<string | undefined, Counter>(),
    stream: new Map<string | undefined, Counter>(),
  };
  /** Set while `settle` waits. */
  #settled: (() => void) | undefined;
  readonly #stream: (StreamHandler | undefined)[] = METHODS.map(() => undefined);

  constructor(server: ServerContext) {
    this.#server = server;
    const { clock, options } = server;
    this.#leaderBound = new LeaderBoundStreams({
      clock,
      electionTimeoutMs: options.electionTicks * options.heartbeatIntervalMs,
      hasLeader: () => server.leader !== NO_MEMBER,
    });
    this.#watch = new WatchService(server, () => this.#checkSettled());
    this.#health = new HealthService(server.logger);
    const quota = new QuotaGate(server);
    const slow = makeSlowRequests(server);
    const kv = new KeyValueService(server, quota, slow.meter, slow);
    const rangeStream = new RangeStreamService(server);
    this.#lease = new LeaseService(server, quota);
    const lease = this.#lease;
    const cluster = new ClusterService(server);
    const downgrade = new DowngradeService(server);
    const maintenance = new MaintenanceService(server, (running) => {
      if (server.options.stopServiceOnDefrag) this.#health.setServing(!running);
    });
    this.#unary[METHOD.Range] = (call) => kv.range(call);
    this.#unary[METHOD.Put] = (call) => kv.put(call);
    this.#unary[METHOD.DeleteRange] = (call) => kv.deleteRange(call);
    this.#unary[METHOD.Txn] = (call) => kv.txn(call);
    this.#unary[METHOD.Compact] = (call) => kv.compact(call);
    this.#unary[METHOD.LeaseGrant] = (call) => lease.grant(call);
    this.#unary[METHOD.LeaseRevoke] = (call) => lease.revoke(call);
    this.#unary[METHOD.LeaseTimeToLive] = (call) => lease.timeToLive(call);
    this.#unary[METHOD.LeaseLeases] = (call) => lease.leases(call);
    this.#unary[METHOD.MemberList] = (call) => cluster.memberList(call);
    this.#unary[METHOD.MemberAdd] = (call) => cluster.memberAdd(call);
    this.#unary[METHOD.MemberRemove] = (call) => cluster.memberRemove(call);
    this.#unary[METHOD.MemberUpdate] = (call) => cluster.memberUpdate(call);
    this.#unary[METHOD.MemberPromote] = (call) => cluster.memberPromote(call);
    this.#unary[METHOD.Status] = (call) => maintenance.status(call);
    this.#unary[METHOD.Alarm] = (call) => maintenance.alarm(call);
    this.#unary[METHOD.Defragment] = (call) => maintenance.defragment(call);
    this.#unary[METHOD.Hash] = (call) => maintenance.hash(call);
    this.#unary[METHOD.HashKV] = (call) => maintenance.hashKV(call);
    this.#unary[METHOD.MoveLeader] = (call) => maintenance.moveLeader(call);
    this.#unary[METHOD.Downgrade] = (call) => downgrade.downgrade(call);
    this.#unary[METHOD.HealthCheck] = (call) => this.#health.check(call);
    this.#unary[METHOD.HealthList] = (call) => this.#health.list(call);
    this.#observe(slow);
    this.#stream[METHOD.Watch] = (call) => this.#watch.watch(call);
    this.#stream[METHOD.LeaseKeepAlive] = (call) => lease.keepAlive(call);
    this.#stream[METHOD.Snapshot] = (call) => maintenance.snapshot(call);
    this.#stream[METHOD.RangeStream] = (call) => rangeStream.rangeStream(call);
    this.#stream[METHOD.HealthWatch] = (call) => this.#health.watch(call);
  }

  /** The key-value service sees to its own calls, which are many. */
  #observe(slow: SlowRequests): void {
    for (const [method, handler] of this.#unary.entries()) {
      if (handler === undefined || METHODS[method]?.service === KV_SERVICE) continue;
      this.#unary[method] = (call) => handler(slow.observe(call));
    }
  }

  start(): void {
    this.#leaderBound.start();
    this.#watch.start();
  }

  /** Clients are served from now on. */
  ready(): void {
    this.#health.ready();
  }

  /**
   * Waits until what was proposed here is applied and every watch has got it, at most `graceMs`.
   * To be called when no new requests come.
   */
  async settle(graceMs: number): Promise<void> {
    if (this.#isSettled) return;
    await new Promise<void>((resolve) => {
      const timer = this.#server.clock.setTimer(graceMs, resolve);
      this.#settled = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#settled = undefined;
  }

  get #isSettled(): boolean {
    return this.#server.proposals.waitingCount === 0 && !this.#server.watchable.hasUnsynced;
  }

  #checkSettled(): void {
    if (this.#settled !== undefined && this.#isSettled) this.#settled();
  }

  /** Ends all open streams; unary calls in flight are answered by the server as it stops. */
  stop(): void {
    this.#leaderBound.stop();
    this.#watch.stop();
    this.#lease.stop();
    this.#health.stop();
  }

  /** Entries were applied: watchers may have fallen behind. */
  applied(): void {
    this.#watch.applied();
    this.#checkSettled();
  }

  unary(calls: readonly UnaryCall[]): void {
    for (const call of calls) this.#handle(call);
    this.#server.flush();
  }

  stream(call: StreamCall): void {
    const handler = this.#stream[call.method];
    if (handler === undefined) {
      call.finish(StatusCode.UNIMPLEMENTED, unimplemented(call));
      return;
    }
    if (call.method !== METHOD.Snapshot && this.#server.cluster.isLocalLearner) {
      finishWith(call, new EtcdError("notSupportedForLearner"));
      return;
    }
    this.#count("stream", call);
    if (this.#lacksLeader(call)) {
      finishWith(call, new EtcdError("noLeader"));
      return;
    }
    handler(requiresLeader(call) ? this.#leaderBound.bind(call) : call);
  }

  #count(type: "unary" | "stream", call: Call): void {
    const version = call.metadata("client-api-version");
    let counter = this.#requests[type].get(version);
    if (counter === undefined) {
      // A client may say anything; only so many different words are remembered.
      const isKnown = version !== undefined && CLIENT_VERSION.test(version);
      counter = this.#server.counters.clientRequests.of(type, isKnown ? version : "unknown");
      if (isKnown || version === undefined) this.#requests[type].set(version, counter);
    }
    counter.add();
  }

  /** A call that is refused does not disturb the others of its batch. */
  #handle(call: UnaryCall): void {
    const handler = this.#unary[call.method];
    if (handler === undefined) {
      call.fail(StatusCode.UNIMPLEMENTED, unimplemented(call));
      return;
    }
    try {
      if (this.#server.cluster.isLocalLearner && !servesLearner(call)) {
        throw new EtcdError("notSupportedForLearner");
      }
      this.#count("unary", call);
      if (this.#lacksLeader(call)) throw new EtcdError("noLeader");
      handler(call);
    } catch (error) {
      failWith(call, error);
    }
  }

  /** The client asks not to be served by a member that is cut off. */
  #lacksLeader(call: Call): boolean {
    return this.#server.leader === NO_MEMBER && requiresLeader(call);
  }
}

function makeSlowRequests(server: ServerContext): SlowRequests {
  const { clock, logger, counters, options } = server;
  const warningApplyDurationMs = options.warningApplyDurationMs;
  return new SlowRequests({
    clock,
    logger,
    meter: new RequestMeter({ clock, logger, counters, warningDurationMs: warningApplyDurationMs }),
    warningApplyDurationMs,
    warningUnaryDurationMs: options.warningUnaryRequestDurationMs,
  });
}

function requiresLeader(call: Call): boolean {
  return call.metadata("hasleader") === "true";
}

/** A learner may lag far behind: it tells its status, and what it has to who takes it as it is. */
function servesLearner(call: UnaryCall): boolean {
  if (call.method === METHOD.Status) return true;
  return call.method === METHOD.Range && RangeRequest.decode(call.body).serializable;
}

function finishWith(call: StreamCall, error: EtcdError): void {
  const status = statusOf(error);
  call.finish(status.code, status.message);
}

function unimplemented(call: Call): string {
  const method = METHODS[call.method];
  return `unknown method ${method?.name ?? call.method} for service ${method?.service ?? ""}`;
}
