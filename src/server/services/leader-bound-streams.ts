/**
 * Streams whose clients asked (metadata `hasleader`) not to be served by a member that is cut off.
 * They end with `etcdserver: no leader` once there has been no leader at three checks in a row, one
 * per election timeout: opening a stream anew costs more than a single request.
 */
import { EtcdError } from "../../api/errors.ts";
import { type Clock, PassedStream, type StreamCall, type Timer } from "../../env/index.ts";
import { statusOf } from "./reply.ts";

/** etcd's maxNoLeaderCnt. */
const MAX_CHECKS_WITHOUT_LEADER = 3;

export interface LeaderBoundStreamsOptions {
  readonly clock: Clock;
  readonly electionTimeoutMs: number;
  readonly hasLeader: () => boolean;
}

export class LeaderBoundStreams {
  readonly #options: LeaderBoundStreamsOptions;
  readonly #streams = new Set<LeaderBoundStream>();
  #checksWithoutLeader = 0;
  #timer: Timer | undefined;

  constructor(options: LeaderBoundStreamsOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, electionTimeoutMs } = this.#options;
    this.#timer = clock.setTimer(electionTimeoutMs, () => {
      this.start();
      this.#check();
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** What the service is given in place of the call. */
  bind(call: StreamCall): StreamCall {
    const stream = new LeaderBoundStream(call, () => this.#streams.delete(stream));
    this.#streams.add(stream);
    return stream;
  }

  #check(): void {
    this.#checksWithoutLeader = this.#options.hasLeader() ? 0 : this.#checksWithoutLeader + 1;
    if (this.#checksWithoutLeader < MAX_CHECKS_WITHOUT_LEADER) return;
    for (const stream of this.#streams) stream.cancel();
  }
}

/** Passes everything on, and can be ended from outside as if the client had gone. */
class LeaderBoundStream extends PassedStream {
  readonly #onEnd: () => void;
  #onCancel: (() => void) | undefined;
  #cancelled = false;

  constructor(call: StreamCall, onEnd: () => void) {
    super(call);
    this.#onEnd = onEnd;
    call.onCancel = () => {
      onEnd();
      this.#onCancel?.();
    };
  }

  cancel(): void {
    this.#cancelled = true;
    this.#onCancel?.();
    const status = statusOf(new EtcdError("noLeader"));
    this.finish(status.code, status.message);
  }

  override finish(code: number, message: string): void {
    this.#onEnd();
    super.finish(code, message);
  }

  override get cancelled(): boolean {
    return this.#cancelled || super.cancelled;
  }

  override send(...parts: readonly Uint8Array[]): void {
    if (!this.#cancelled) super.send(...parts);
  }

  override get onCancel(): (() => void) | undefined {
    return this.#onCancel;
  }

  override set onCancel(handler: (() => void) | undefined) {
    this.#onCancel = handler;
  }
}
