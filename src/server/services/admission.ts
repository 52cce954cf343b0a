/**
 * What every call passes before its service, in this order: is this member in a state to serve it,
 * does it want a leader that is not there, who calls, and what the RPC table asks of the caller.
 * A method without a rule does not compile.
 */
import { EtcdError } from "../../api/errors.ts";
import { RangeRequest } from "../../api/gen/rpc.ts";
import { type AuthRule, METHOD, METHODS } from "../../api/rpc-table.ts";
import { type Identity, NOBODY } from "../../auth/index.ts";
import { unreachable } from "../../base/assert.ts";
import type { Index } from "../../base/ids.ts";
import type { Call, Counter, UnaryCall } from "../../env/index.ts";
import { NO_MEMBER } from "../../raft/index.ts";
import { type EarlyToken, isEarly } from "../access/authentication.ts";
import type { Counted, ServerContext } from "../context.ts";
import { requestTimeoutMs } from "../options.ts";
import type { ServicesCounters } from "./services-metrics.ts";

/** What etcd's clients send as "client-api-version". */
const CLIENT_VERSION = /^3\.\d{1,2}$/;
/** Calls whose token this member cannot know yet; more are refused like any unknown token. */
const MAX_WAITING_CALLS = 1000;

export type AdmissionNeeds = Counted<Pick<ServicesCounters, "clientRequests">> &
  Pick<ServerContext, "auth" | "clock" | "cluster" | "leader" | "options" | "reads">;

export class Admission {
  readonly #server: AdmissionNeeds;
  readonly #requests = {
    unary: new Map<string | undefined, Counter>(),
    stream: new Map<string | undefined, Counter>(),
  };
  #waiting = 0;

  constructor(server: AdmissionNeeds) {
    this.#server = server;
  }

  /** Who calls. Throws `EtcdError` when the call is refused. */
  unary(call: UnaryCall): Identity | EarlyToken {
    if (this.#server.cluster.isLocalLearner && !servesLearner(call)) {
      throw new EtcdError("notSupportedForLearner");
    }
    return this.#admit("unary", call);
  }

  stream(call: Call): Identity | EarlyToken {
    if (call.method !== METHOD.Snapshot && this.#server.cluster.isLocalLearner) {
      throw new EtcdError("notSupportedForLearner");
    }
    return this.#admit("stream", call);
  }

  /** Who calls, for an operation on behalf of a call that has been admitted. Not counted again. */
  inner(call: Call): Identity {
    const identity = this.#server.auth.identifyNow(call);
    this.#checkRule(METHODS[call.method]?.auth ?? "admin", identity);
    return identity;
  }

  #admit(type: "unary" | "stream", call: Call): Identity | EarlyToken {
    this.#count(type, call);
    if (this.#server.leader === NO_MEMBER && requiresLeader(call)) throw new EtcdError("noLeader");
    const rule = METHODS[call.method]?.auth ?? "admin";
    const { auth } = this.#server;
    // A bad token keeps nobody from logging in. The others ask who calls when their turn has come.
    if (rule === "open" || rule === "watch" || rule === "adminAfterForm") return NOBODY;
    const identity = auth.identify(call);
    if (!isEarly(identity)) this.#checkRule(rule, identity);
    return identity;
  }

  #checkRule(rule: AuthRule, identity: Identity): void {
    const { auth } = this.#server;
    switch (rule) {
      case "admin":
        auth.store.requireAdmin(identity);
        return;
      case "anyUser":
      case "leaseWrite":
      case "leaseRead":
      case "leaseReadAll":
      case "alarm":
      case "roleOwn":
        auth.requireUser(identity);
        return;
      case "open":
      case "watch":
      case "adminAfterForm":
      case "range":
      case "put":
      case "deleteRange":
      case "txn":
      case "userSelf":
      case "delegated":
        // Decided by what the request says, in its service.
        return;
      default:
        unreachable(rule);
    }
  }

  /**
   * Calls back once the log is applied up to where an early token was given out, or with the error
   * of a token that never was: after the time that a request has, or when too many wait.
   */
  whenApplied(index: Index, ready: (error: EtcdError | undefined) => void): void {
    if (this.#waiting >= MAX_WAITING_CALLS) {
      ready(new EtcdError("invalidAuthToken"));
      return;
    }
    const { clock, options, reads } = this.#server;
    this.#waiting++;
    let isSettled = false;
    const settle = (error: EtcdError | undefined): void => {
      if (isSettled) return;
      isSettled = true;
      this.#waiting--;
      timer.cancel();
      ready(error);
    };
    const timer = clock.setTimer(requestTimeoutMs(options), () => {
      settle(new EtcdError("invalidAuthToken"));
    });
    reads.whenApplied(index, settle);
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
}

/** The client asks not to be served by a member that is cut off. */
export function requiresLeader(call: Call): boolean {
  return call.metadata("hasleader") === "true";
}

/** A learner may lag far behind: it tells its status, and what it has to who takes it as it is. */
function servesLearner(call: UnaryCall): boolean {
  if (call.method === METHOD.Status) return true;
  return call.method === METHOD.Range && RangeRequest.decode(call.body).serializable;
}
