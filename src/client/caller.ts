/**
 * Carries out calls: chooses a connection, adds the token, bounds the time, and decides what may
 * be sent again.
 *
 * The rule of repetition: a call that was certainly not processed is sent again; a read (or what
 * can be done twice without harm) is also sent again when its fate is unknown; a write whose fate
 * is unknown never is: it fails with `outcomeUnknown`. Sending it again could carry it out twice,
 * the second time over somebody else's change.
 */
import { StatusCode } from "../api/errors.ts";
import { AuthenticateRequest } from "../api/gen/rpc.ts";
import type { Clock } from "../env/clock.ts";
import type { CallHandler } from "../transport/client/client-call.ts";
import type { Metadata } from "../transport/client/connection.ts";
import { RpcError } from "../transport/client/rpc-error.ts";
import { checkLimits } from "./arguments.ts";
import { deliver, type StreamSink, UnaryHandler } from "./answers.ts";
import type { Backoff } from "./backoff.ts";
import type { Balancer } from "./balancer.ts";
import type { ConnectionStream, Ways } from "./connection.ts";
import { type Endpoint, type Link, metadataOf } from "./endpoint.ts";
import {
  abortedError,
  closedError,
  deadlineError,
  type ClientErrorKind,
  type EtcdClientError,
  fromRpcError,
  kindOfStatus,
  mayHaveHappened,
  toClientError,
} from "./errors.ts";
import type { EventListener } from "./events.ts";
import { withJSON, withJSONInside } from "./json.ts";
import { METHODS, type RepeatRule, type RpcMethod } from "./methods.ts";
import {
  CALL_OPTION_NAMES,
  type CallOptions,
  checkCallOptions,
  type Credentials,
} from "./options.ts";
import { asksForNewToken, MAX_TOKEN_RENEWALS, TokenSource, USERS_CHANGED } from "./token-source.ts";
import { type Limits, pause, within } from "./waiting.ts";

export interface CallerDeps {
  readonly balancer: Balancer;
  readonly clock: Clock;
  readonly backoff: Backoff;
  readonly maxAttempts: number;
  readonly requestTimeoutMs: number | undefined;
  readonly credentials: Credentials | undefined;
  /** Of a login that somebody else has made; never renewed. */
  readonly token: string | undefined;
  /** Goes with every call, besides etcd's own. */
  readonly metadata: Metadata | undefined;
  /** Undefined: nobody listens. */
  readonly emit: EventListener | undefined;
  readonly begun: Ways["begun"];
}

/** Methods whose answers may hold any number of messages. */
const HOLDS_KEYS: ReadonlySet<string> = new Set([
  METHODS.range.path,
  METHODS.deleteRange.path,
  METHODS.txn.path,
]);

/** What one call remembers over its attempts. */
interface Progress {
  readonly repeat: RepeatRule;
  readonly limits: Limits;
  readonly options: CallOptions;
  attempts: number;
  /** How often a new token was asked for because of this call. */
  renewals: number;
  /** The endpoint of the last failure. */
  avoid: Endpoint | undefined;
}

export class Caller {
  readonly clock: Clock;
  readonly backoff: Backoff;
  readonly balancer: Balancer;
  readonly #deps: CallerDeps;
  readonly #tokens: TokenSource | undefined = undefined;

  constructor(deps: CallerDeps) {
    this.#deps = deps;
    this.clock = deps.clock;
    this.backoff = deps.backoff;
    this.balancer = deps.balancer;
    const { credentials, clock } = deps;
    if (credentials !== undefined) {
      const authenticate = (given: Credentials) => this.authenticate(given);
      this.#tokens = new TokenSource(credentials, authenticate, clock);
    }
  }

  /**
   * One call, answered with etcd's message, which `JSON.stringify` takes. Rejects with
   * `EtcdClientError`. `repeat` replaces the method's rule. An option that is not among `known` is
   * refused with a `TypeError`.
   */
  async unary<Q, R>(
    method: RpcMethod<Q, R>,
    request: Q,
    options: CallOptions = {},
    repeat: RepeatRule = method.repeat,
    known: ReadonlySet<string> = CALL_OPTION_NAMES,
  ): Promise<R> {
    checkCallOptions(method.path, options, known);
    const answer = await this.exchange(method, request, options, repeat);
    return HOLDS_KEYS.has(method.path) ? withJSON(answer) : withJSONInside(answer);
  }

  /**
   * As `unary`, with the bare message, for callers that make an answer of their own of it and have
   * checked the options.
   */
  exchange<Q, R>(
    method: RpcMethod<Q, R>,
    request: Q,
    options: CallOptions,
    repeat: RepeatRule = method.repeat,
  ): Promise<R> {
    const answer = this.#unary(method, request, options, repeat, this.#tokens);
    const { emit, begun } = this.#deps;
    if (begun !== undefined) {
      const ended = begun(method.path);
      answer.then(ended, ended);
    }
    return emit === undefined ? answer : this.#observed(method.path, answer, emit);
  }

  async #observed<R>(method: string, answer: Promise<R>, emit: EventListener): Promise<R> {
    const begunMs = this.clock.nowMs();
    let error: EtcdClientError | undefined;
    try {
      return await answer;
    } catch (failure) {
      error = toClientError(failure);
      throw failure;
    } finally {
      emit({ kind: "call", method, durationMs: this.clock.nowMs() - begunMs, error });
    }
  }

  /** Somebody waits for a stream to be opened, until the returned is called. */
  opening(method: string): () => void {
    return this.#deps.begun?.(method) ?? (() => undefined);
  }

  /** A token for these credentials. */
  async authenticate(credentials: Credentials, options: CallOptions = {}): Promise<string> {
    const request = AuthenticateRequest.create({
      name: credentials.username,
      password: credentials.password,
    });
    const { authenticate } = METHODS;
    checkCallOptions(authenticate.path, options, CALL_OPTION_NAMES);
    const answer = await this.#unary(authenticate, request, options, "read", undefined);
    return answer.token;
  }

  /** The end of a call's time on the clock's scale. */
  limitsOf(options: CallOptions): Limits {
    checkLimits(options);
    const timeoutMs = options.timeoutMs ?? this.#deps.requestTimeoutMs;
    return {
      deadlineMs:
        timeoutMs === undefined ? Number.POSITIVE_INFINITY : this.clock.nowMs() + timeoutMs,
      signal: options.signal,
    };
  }

  async #unary<Q, R>(
    method: RpcMethod<Q, R>,
    request: Q,
    options: CallOptions,
    repeat: RepeatRule,
    tokens: TokenSource | undefined,
  ): Promise<R> {
    const limits = this.limitsOf(options);
    const progress: Progress = {
      repeat,
      limits,
      options,
      attempts: 0,
      renewals: 0,
      avoid: undefined,
    };
    if (limits.signal?.aborted === true) throw abortedError(limits.signal.reason);
    for (;;) {
      const picked = this.balancer.pick(limits, options.endpoint, progress.avoid);
      const link = picked instanceof Promise ? await picked : picked;
      let token = tokens?.current ?? this.#deps.token;
      if (tokens !== undefined && token === undefined) {
        token = await within(tokens.fetch(), limits, this.clock);
      }
      progress.attempts++;
      try {
        const answer = await this.#attempt(link, method, request, options, token, limits);
        link.endpoint.markGood();
        return answer;
      } catch (error) {
        await this.#afterFailure(error, link, progress, tokens, token);
        this.#emitRetry(method.path, error, link, progress);
      }
    }
  }

  #attempt<Q, R>(
    link: Link,
    method: RpcMethod<Q, R>,
    request: Q,
    options: CallOptions,
    token: string | undefined,
    limits: Limits,
  ): Promise<R> {
    return new Promise((resolve, reject) => {
      const { signal } = limits;
      const leader = options.requireLeader === true;
      const head = link.method(method.path, token || undefined, leader, this.#deps.metadata);
      const body = method.request.encode(request);
      const handler = new UnaryHandler(method.response, resolve, reject, signal);
      const call = link.connection.call(head, body, handler, limits.deadlineMs);
      if (signal !== undefined) handler.cancelOnAbort(call);
    });
  }

  #emitRetry(method: string, error: unknown, link: Link, { attempts }: Progress): void {
    const { emit } = this.#deps;
    if (emit === undefined || !(error instanceof Error)) return;
    emit({ kind: "retry", method, endpoint: link.endpoint.url, attempt: attempts, error });
  }

  /** Returns when the call shall be sent again; throws what the caller gets otherwise. */
  async #afterFailure(
    error: unknown,
    link: Link,
    progress: Progress,
    tokens: TokenSource | undefined,
    token: string | undefined,
  ): Promise<void> {
    const { limits, options, repeat } = progress;
    if (!(error instanceof RpcError)) throw error;
    const isWrite = repeat !== "read";
    const unknown = isWrite && mayHaveHappened(error);
    if (limits.signal?.aborted === true) throw abortedError(limits.signal.reason, unknown);
    if (this.balancer.closed) throw closedError(unknown);
    const kind = kindOfStatus(error.code, error.message);
    if (tokens !== undefined && token !== undefined && asksForNewToken(kind)) {
      tokens.invalidate(token);
      if (progress.renewals++ < MAX_TOKEN_RENEWALS) return;
    }
    const { endpoint } = link;
    if (error.code === StatusCode.UNAVAILABLE) endpoint.markBad(error);
    else if (error.code !== StatusCode.DEADLINE_EXCEEDED) endpoint.markGood();
    const elsewhere = kind === "notSupportedForLearner" && this.balancer.urls.length > 1;
    const again =
      elsewhere ||
      kind === USERS_CHANGED ||
      (error.code === StatusCode.UNAVAILABLE && (error.unprocessed || repeat !== "write"));
    if (!again || progress.attempts >= this.#deps.maxAttempts) {
      throw fromRpcError(error, isWrite, endpoint.url, progress.attempts);
    }
    progress.avoid = options.endpoint === undefined ? endpoint : undefined;
    if (!error.unprocessed && progress.attempts > 1) {
      await this.#pauseBefore(progress, error);
    }
  }

  async #pauseBefore(progress: Progress, cause: Error): Promise<void> {
    const delayMs = this.backoff.delayMs(progress.attempts - 1);
    const { deadlineMs, signal } = progress.limits;
    if (this.clock.nowMs() + delayMs >= deadlineMs) throw deadlineError(cause);
    const closing = new AbortController();
    const forget = this.balancer.onClose(() => closing.abort());
    try {
      const both =
        signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal]);
      await pause(delayMs, this.clock, both);
    } catch (error) {
      throw closing.signal.aborted ? closedError() : error;
    } finally {
      forget();
    }
  }

  /**
   * Opens one stream and hands its messages to `sink`. Rejects when it cannot be opened. The
   * deadline of `limits` bounds the opening only.
   */
  async openStream<Q, R>(
    method: RpcMethod<Q, R>,
    sink: StreamSink<R>,
    limits: Limits,
    options: CallOptions,
    avoid: Endpoint | undefined,
  ): Promise<OpenStream<Q>> {
    const tokens = this.#tokens;
    const picked = this.balancer.pick(limits, options.endpoint, avoid);
    const link = picked instanceof Promise ? await picked : picked;
    let token = tokens?.current ?? this.#deps.token;
    if (tokens !== undefined && token === undefined) {
      token = await within(tokens.fetch(), limits, this.clock);
    }
    if (limits.signal?.aborted === true) throw abortedError(limits.signal.reason);
    const handler: CallHandler = {
      onMessage: (body) => {
        link.endpoint.markGood();
        deliver(method.response, body, sink, () => stream.cancel());
      },
      onEnd: (error) => {
        if (this.balancer.closed) sink.onEnd(closedError());
        else if (error === undefined) sink.onEnd(undefined);
        else sink.onEnd(this.#streamError(error, link, token));
      },
    };
    const leader = options.requireLeader === true;
    const metadata = metadataOf(token || undefined, leader, this.#deps.metadata);
    const stream = link.connection.stream(method.path, handler, { metadata });
    return {
      endpoint: link.endpoint,
      send: (request) => stream.send(method.request.encode(request)),
      stream,
    };
  }

  /**
   * The same for a stream that one request begins. It is opened again with a new token when the one
   * it had is refused before any answer.
   */
  async openAnswering<Q, R>(
    method: RpcMethod<Q, R>,
    request: Q,
    sink: StreamSink<R>,
    limits: Limits,
    options: CallOptions,
  ): Promise<AnsweringStream> {
    checkCallOptions(method.path, options, CALL_OPTION_NAMES);
    let renewals = 0;
    let isAnswered = false;
    let isCancelled = false;
    let open: OpenStream<Q>;
    const renewing: StreamSink<R> = {
      onMessage: (message, bytes) => {
        isAnswered = true;
        sink.onMessage(message, bytes);
      },
      onEnd: (error) => {
        const mayRenew =
          error !== undefined &&
          asksForNewToken(error.kind) &&
          this.hasCredentials &&
          !isAnswered &&
          !isCancelled &&
          renewals++ < MAX_TOKEN_RENEWALS;
        if (mayRenew) begin().catch((failure: unknown) => sink.onEnd(toClientError(failure)));
        else sink.onEnd(error);
      },
    };
    const begin = async (): Promise<void> => {
      open = await this.openStream(method, renewing, limits, options, undefined);
      if (isCancelled) open.stream.cancel();
      open.send(request);
      open.stream.halfClose();
    };
    await begin();
    return {
      pauseReceiving: () => open.stream.pauseReceiving(),
      resumeReceiving: () => open.stream.resumeReceiving(),
      cancel: () => {
        isCancelled = true;
        open.stream.cancel();
      },
    };
  }

  #streamError(error: RpcError, link: Link, token: string | undefined): EtcdClientError {
    if (error.code === StatusCode.UNAVAILABLE) link.endpoint.markBad(error);
    const failure = fromRpcError(error, false, link.endpoint.url, 1);
    if (token !== undefined && asksForNewToken(failure.kind)) this.#tokens?.invalidate(token);
    return failure;
  }

  /** A stream is opened again. */
  streamBroken(method: string, error: Error | undefined): void {
    this.#deps.emit?.({ kind: "streamBroken", method, error });
  }

  /** A stream's server said that the token is no good, in a message. */
  invalidateToken(): void {
    const token = this.#tokens?.current;
    if (token !== undefined) this.#tokens?.invalidate(token);
  }

  get hasCredentials(): boolean {
    return this.#tokens !== undefined;
  }
}

/** A stream of answers. */
export type AnsweringStream = Pick<
  ConnectionStream,
  "pauseReceiving" | "resumeReceiving" | "cancel"
>;

export interface OpenStream<Q> {
  readonly endpoint: Endpoint;
  readonly stream: ConnectionStream;
  send(request: Q): void;
}

/** "tooManyRequests" also answers logins while somebody guesses the user's password. */
const PASSING_KINDS: ReadonlySet<ClientErrorKind> = new Set([
  "notSupportedForLearner",
  "tooManyRequests",
]);

/** True for failures of a stream that another attempt may cure. */
export function isPassing(error: EtcdClientError): boolean {
  switch (error.code) {
    case StatusCode.UNAVAILABLE:
    case StatusCode.INTERNAL:
    case StatusCode.CANCELLED:
      return error.kind !== "aborted" && error.kind !== "clientClosed";
    default:
      return asksForNewToken(error.kind) || PASSING_KINDS.has(error.kind);
  }
}
