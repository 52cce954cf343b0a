/**
 * The member as the transport sees it: encoded requests in, encoded replies out. One batch of calls
 * is taken apart to the services and then given to raft together.
 */
import { StatusCode } from "../../api/errors.ts";
import { METHODS } from "../../api/rpc-table.ts";
import { copyBytes } from "../../base/bytes.ts";
import type { Index } from "../../base/ids.ts";
import type { Call, RpcService, StreamCall, UnaryCall } from "../../env/index.ts";
import { NO_MEMBER } from "../../raft/index.ts";
import type { Counted, ServerContext } from "../context.ts";
import type { TracingCounters } from "../tracing/tracing-metrics.ts";
import { LeaderBoundStreams } from "./leader-bound-streams.ts";
import { RequestMeter } from "../tracing/request-meter.ts";
import { isEarly } from "../access/authentication.ts";
import { Admission, type AdmissionNeeds, requiresLeader } from "./admission.ts";
import { type AuthNeeds, AuthService } from "./auth.ts";
import { type ClusterNeeds, ClusterService } from "./cluster.ts";
import { ElectionService } from "./concurrency/election.ts";
import { LockService } from "./concurrency/lock.ts";
import { WaitingCalls } from "./concurrency/waiting-calls.ts";
import { type DowngradeNeeds, DowngradeService } from "./downgrade.ts";
import { HealthService } from "./health.ts";
import { type KeyValueNeeds, KeyValueService } from "./kv.ts";
import { type LeaseNeeds, LeaseService } from "./lease.ts";
import { type MaintenanceNeeds, MaintenanceService } from "./maintenance.ts";
import { QuotaGate, type QuotaGateNeeds } from "./quota-gate.ts";
import { RangeStreamService, type RangeStreamServiceNeeds } from "./range-stream.ts";
import { OwnedCall } from "./owned-call.ts";
import { failWith, finishWith, giveUp } from "./reply.ts";
import type { StreamHandler, UnaryHandler } from "./rows.ts";
import { type WatchNeeds, type WatchReport, WatchService } from "./watch.ts";
import { SlowRequests } from "../tracing/slow-requests.ts";

const KV_SERVICE = "etcdserverpb.KV";

type SlowRequestsNeeds = Counted<TracingCounters> &
  Pick<ServerContext, "clock" | "logger" | "options">;

/** What all services need together, and what calls themselves do. */
type Needs = AdmissionNeeds &
  AuthNeeds &
  ClusterNeeds &
  DowngradeNeeds &
  KeyValueNeeds &
  LeaseNeeds &
  MaintenanceNeeds &
  QuotaGateNeeds &
  RangeStreamServiceNeeds &
  SlowRequestsNeeds &
  WatchNeeds;

export class RpcServer implements RpcService {
  readonly #server: Needs;
  readonly #leaderBound: LeaderBoundStreams;
  readonly #watch: WatchService;
  readonly #lease: LeaseService;
  readonly #health: HealthService;
  readonly #admission: Admission;
  readonly #waiting: WaitingCalls;
  readonly #unary: (UnaryHandler | undefined)[] = METHODS.map(() => undefined);
  /** Set while `settle` waits. */
  #settled: (() => void) | undefined;
  readonly #stream: (StreamHandler | undefined)[] = METHODS.map(() => undefined);

  constructor(server: Needs) {
    this.#server = server;
    this.#admission = new Admission(server);
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
    const auth = new AuthService(server);
    this.#waiting = new WaitingCalls({
      unary: (call) => this.#inner(call),
      watch: (call) => this.#watch.watch(call),
    });
    const lock = new LockService(this.#waiting);
    const election = new ElectionService(this.#waiting);
    const services = [kv, lease, cluster, maintenance, downgrade, auth, lock, election];
    for (const { unary } of [...services, this.#health]) {
      for (const [method, handler] of Object.entries(unary)) this.#unary[Number(method)] = handler;
    }
    this.#observe(slow);
    const streaming = [this.#watch, lease, maintenance, rangeStream, election, this.#health];
    for (const { stream } of streaming) {
      for (const [method, handler] of Object.entries(stream))
        this.#stream[Number(method)] = handler;
    }
  }

  /** The key-value service sees to its own calls, which are many. */
  #observe(slow: SlowRequests): void {
    for (const [method, handler] of this.#unary.entries()) {
      if (handler === undefined || METHODS[method]?.service === KV_SERVICE) continue;
      this.#unary[method] = (call, who) => handler(slow.observe(call), who);
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

  /** Calls that wait for others, such as for a lock, are told that the member stops. */
  endWaits(): void {
    this.#waiting.stop();
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
    this.#waiting.stop();
    this.#leaderBound.stop();
    this.#watch.stop();
    this.#lease.stop();
    this.#health.stop();
  }

  /** Who watches what here, and how far behind they are. */
  watchReport(): WatchReport {
    return this.#watch.report();
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
    try {
      const who = this.#admission.stream(call);
      const bound = requiresLeader(call) ? this.#leaderBound.bind(call) : call;
      if (isEarly(who)) this.#streamLater(bound, who.index);
      else handler(bound, who);
    } catch (error) {
      finishWith(call, error);
    }
  }

  /** Its first messages wait with it; the client sends no more meanwhile. */
  #streamLater(call: StreamCall, index: Index): void {
    const messages: Uint8Array[] = [];
    let isHalfClosed = false;
    call.onMessage = (message) => messages.push(copyBytes(message));
    call.onHalfClose = () => {
      isHalfClosed = true;
    };
    call.pauseReceiving();
    this.#admission.whenApplied(index, (error) => {
      if (call.cancelled) return;
      if (error !== undefined) {
        finishWith(call, error);
        return;
      }
      call.onMessage = undefined;
      call.onHalfClose = undefined;
      this.stream(call);
      deliver(call, messages, isHalfClosed);
      call.resumeReceiving();
    });
  }

  /** A call that is refused does not disturb the others of its batch. */
  #handle(call: UnaryCall): void {
    const handler = this.#unary[call.method];
    if (handler === undefined) {
      call.fail(StatusCode.UNIMPLEMENTED, unimplemented(call));
      return;
    }
    try {
      const who = this.#admission.unary(call);
      if (isEarly(who)) this.#handleLater(new OwnedCall(call), who.index);
      else handler(call, who);
    } catch (error) {
      failWith(call, error);
    }
  }

  /** What a service does on behalf of a call that has been admitted. */
  #inner(call: UnaryCall): void {
    try {
      this.#unary[call.method]?.(call, this.#admission.inner(call));
    } catch (error) {
      failWith(call, error);
    }
    this.#server.flush();
  }

  #handleLater(call: UnaryCall, index: Index): void {
    this.#admission.whenApplied(index, (error) => {
      if (error !== undefined) failWith(call, error);
      else if (call.cancelled) giveUp(call);
      else this.unary([call]);
    });
  }
}

/** To the handlers that a service has set, what came before it could. */
function deliver(call: StreamCall, messages: readonly Uint8Array[], isHalfClosed: boolean): void {
  for (const message of messages) call.onMessage?.(message);
  if (isHalfClosed) call.onHalfClose?.();
}

function makeSlowRequests(server: SlowRequestsNeeds): SlowRequests {
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

function unimplemented(call: Call): string {
  const method = METHODS[call.method];
  return `unknown method ${method?.name ?? call.method} for service ${method?.service ?? ""}`;
}
