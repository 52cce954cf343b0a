/**
 * A bidirectional stream that is opened again, at another endpoint if there is one, whenever it
 * breaks for a passing reason. What must be asked again after a break is its user's to know.
 */
import type { Caller, OpenStream } from "./caller.ts";
import { isPassing } from "./caller.ts";
import type { Endpoint } from "./endpoint.ts";
import { type ClientErrorKind, type EtcdClientError, toClientError } from "./errors.ts";
import type { RpcMethod } from "./methods.ts";
import type { CallOptions } from "./options.ts";
import { asksForNewToken, MAX_TOKEN_RENEWALS, USERS_CHANGED } from "./token-source.ts";
import { pause } from "./waiting.ts";

export interface StreamUser<R> {
  /** A stream is open; nothing of what an earlier one was told is known to the server. */
  onOpen(): void;
  onMessage(message: R, bytes: number): void;
  /** The stream has broken and will be opened again. */
  onBroken(error: EtcdClientError | undefined): void;
  /** It will not be opened again: refused for good, or the client is closed. Called once. */
  onFatal(error: EtcdClientError): void;
}

interface Ending {
  readonly error: EtcdClientError | undefined;
  /** The server has sent something on this stream. */
  readonly answered: boolean;
  /** The token was good: there was an answer that was no refusal. */
  readonly accepted: boolean;
  readonly endpoint: Endpoint | undefined;
}

const NOTHING = { answered: false, accepted: false } as const;

export class ResilientStream<Q, R> {
  readonly #caller: Caller;
  readonly #method: RpcMethod<Q, R>;
  readonly #options: CallOptions;
  readonly #user: StreamUser<R>;
  readonly #stopping = new AbortController();
  #open: OpenStream<Q> | undefined;
  #endSession: ((ending: Ending) => void) | undefined;
  #answered = false;
  #accepted = false;

  /** Of `options` only `endpoint` and `requireLeader` are used. */
  constructor(caller: Caller, method: RpcMethod<Q, R>, options: CallOptions, user: StreamUser<R>) {
    this.#caller = caller;
    this.#method = method;
    this.#options = { endpoint: options.endpoint, requireLeader: options.requireLeader };
    this.#user = user;
  }

  /** Opens it and keeps it open until `stop`. */
  start(): void {
    this.#run().catch((error: unknown) => this.#user.onFatal(toClientError(error)));
  }

  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** Dropped when no stream is open: `onOpen` will ask again. */
  send(request: Q): void {
    this.#open?.send(request);
  }

  /** Ends the present stream as if it had broken for this reason. */
  breakOff(error: EtcdClientError): void {
    const open = this.#open;
    if (open === undefined) return;
    const { endpoint } = open;
    this.#endSession?.({ error, answered: this.#answered, accepted: this.#accepted, endpoint });
    this.#endSession = undefined;
    open.stream.cancel();
  }

  /** Ends it for good; `onFatal` is not called. */
  stop(): void {
    this.#stopping.abort();
    const open = this.#open;
    this.#open = undefined;
    open?.stream.cancel();
    this.#endSession?.({ ...NOTHING, error: undefined, endpoint: undefined });
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    let failures = 0;
    let refusals = 0;
    let avoid: Endpoint | undefined;
    for (;;) {
      const { error, answered, accepted, endpoint } = await this.#session(avoid);
      if (signal.aborted) return;
      const refused = error !== undefined && asksForNewToken(error.kind);
      // A token that was good and is not any more has expired; that may happen without end.
      if (!refused || accepted) refusals = 0;
      if (refused) refusals++;
      const isFinal = error !== undefined && !isPassing(error);
      if (isFinal || (refused && !this.#mayAskAgain(error.kind, refusals))) {
        this.#user.onFatal(error);
        return;
      }
      this.#user.onBroken(error);
      this.#caller.streamBroken(this.#method.path, error);
      if (answered && !refused) failures = 0;
      else failures = refused && accepted ? 1 : failures + 1;
      avoid = refused ? undefined : endpoint;
      if (failures === 0) continue;
      await this.#pause(failures);
      if (signal.aborted) return;
    }
  }

  #mayAskAgain(kind: ClientErrorKind, refusals: number): boolean {
    if (kind === USERS_CHANGED) return true;
    return this.#caller.hasCredentials && refusals <= MAX_TOKEN_RENEWALS;
  }

  async #pause(failures: number): Promise<void> {
    const { signal } = this.#stopping;
    const waking = new AbortController();
    // A closed client shows when the next stream is opened.
    const forget = this.#caller.balancer.onClose(() => waking.abort());
    const both = AbortSignal.any([signal, waking.signal]);
    const opened = this.#caller.opening(this.#method.path);
    try {
      await pause(this.#caller.backoff.delayMs(failures), this.#caller.clock, both);
    } catch (error) {
      if (!both.aborted) throw error;
    } finally {
      opened();
      forget();
    }
  }

  /** One stream, from its opening to its end. */
  async #session(avoid: Endpoint | undefined): Promise<Ending> {
    this.#answered = false;
    this.#accepted = false;
    let end: (ending: Ending) => void = () => undefined;
    const ended = new Promise<Ending>((resolve) => {
      end = resolve;
    });
    this.#endSession = end;
    const limits = { deadlineMs: Number.POSITIVE_INFINITY, signal: this.#stopping.signal };
    let endpoint: Endpoint | undefined;
    const opened = this.#caller.opening(this.#method.path);
    const sink = {
      onMessage: (message: R, bytes: number) => {
        if (this.#open === undefined || this.#open !== open) return;
        this.#answered = true;
        this.#user.onMessage(message, bytes);
        // A refusal in a message has broken the stream off.
        if (this.#endSession === end) this.#accepted = true;
      },
      onEnd: (error: EtcdClientError | undefined) =>
        end({ error, answered: this.#answered, accepted: this.#accepted, endpoint }),
    };
    let open: OpenStream<Q> | undefined;
    try {
      open = await this.#caller.openStream(this.#method, sink, limits, this.#options, avoid);
    } catch (error) {
      return { ...NOTHING, error: toClientError(error), endpoint: undefined };
    } finally {
      opened();
    }
    endpoint = open.endpoint;
    if (this.#stopping.signal.aborted) {
      open.stream.cancel();
      return { ...NOTHING, error: undefined, endpoint };
    }
    this.#open = open;
    this.#user.onOpen();
    const ending = await ended;
    this.#open = undefined;
    this.#endSession = undefined;
    return ending;
  }
}
