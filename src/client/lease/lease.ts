/** Leases: keys that vanish when nobody renews what they are attached to. */
import {
  LeaseGrantRequest,
  type LeaseGrantResponse,
  LeaseKeepAliveRequest,
  type LeaseKeepAliveResponse,
  LeaseLeasesRequest,
  type LeaseLeasesResponse,
  LeaseRevokeRequest,
  LeaseRevokeResponse,
  LeaseTimeToLiveRequest,
  type LeaseTimeToLiveResponse,
} from "../../api/gen/rpc.ts";
import { ERRORS } from "../../api/errors.ts";
import type { LeaseID } from "../../base/ids.ts";
import { optionNames } from "../../base/known-options.ts";
import { mustBeID, mustBeWhole } from "../arguments.ts";
import type { Caller } from "../caller.ts";
import { EtcdClientError, isErrorKind } from "../errors.ts";
import { METHODS } from "../methods.ts";
import type { KeyPrefix } from "../namespace/key-prefix.ts";
import { CALL_OPTIONS, type CallOptions, checkOptions } from "../options.ts";
import { exchangeOnce } from "../exchange-once.ts";
import { withJSON, withJSONInside } from "../json.ts";
import { LeaseKeepAlive } from "./keep-alive.ts";
import { LeaseKeeper } from "./lease-keeper.ts";

export interface LeaseGrantOptions extends CallOptions {
  /** Id of the new lease; default: the server chooses. */
  readonly leaseID?: LeaseID | undefined;
}

export interface TimeToLiveOptions extends CallOptions {
  /** Also lists the keys that are attached. Default false. */
  readonly keys?: boolean | undefined;
}

export interface KeepAliveOptions {
  /**
   * The granted TTL in seconds, if known: the lease then counts as lost when it was not renewed
   * for so long, from the beginning. Default: from the first renewal on.
   */
  readonly ttl?: number | undefined;
}

const GRANT_OPTIONS = optionNames<LeaseGrantOptions>({ ...CALL_OPTIONS, leaseID: true });
const TIME_TO_LIVE_OPTIONS = optionNames<TimeToLiveOptions>({ ...CALL_OPTIONS, keys: true });
const KEEP_ALIVE_OPTIONS = optionNames<KeepAliveOptions>({ ttl: true });

export class Lease {
  readonly #caller: Caller;
  readonly #keeper: LeaseKeeper;
  readonly #prefix: KeyPrefix | undefined;

  constructor(caller: Caller, keeper: LeaseKeeper = new LeaseKeeper(caller), prefix?: KeyPrefix) {
    this.#caller = caller;
    this.#keeper = keeper;
    this.#prefix = prefix;
  }

  /** The same leases, with the keys of a namespace. */
  inside(prefix: KeyPrefix): Lease {
    return new Lease(this.#caller, this.#keeper, prefix);
  }

  /**
   * A lease that expires `ttl` seconds after its last renewal, at the earliest. The server may
   * raise a very short TTL; the answer's `TTL` counts.
   */
  async grant(ttl: number, options: LeaseGrantOptions = {}): Promise<LeaseGrantResponse> {
    const { leaseID } = options;
    const request = LeaseGrantRequest.create({
      TTL: mustBeWhole("ttl", ttl),
      ID: mustBeID("leaseID", leaseID ?? 0n),
    });
    // A second grant of the same id fails; a lease of the server's choice that nobody knows of
    // expires by itself.
    const repeat = leaseID === undefined ? "repeatable" : "write";
    return this.#caller.unary(METHODS.leaseGrant, request, options, repeat, GRANT_OPTIONS);
  }

  /** Ends a lease and deletes its keys. */
  async revoke(leaseID: LeaseID, options: CallOptions = {}): Promise<LeaseRevokeResponse> {
    const request = LeaseRevokeRequest.create({ ID: mustBeID("leaseID", leaseID) });
    try {
      return await this.#caller.unary(METHODS.leaseRevoke, request, options);
    } catch (error) {
      // An earlier attempt, whose answer was lost, has revoked it.
      const isDone = isErrorKind(error, "leaseNotFound") && error.attempts > 1;
      if (isDone) return withJSON(LeaseRevokeResponse.create());
      throw error;
    }
  }

  /** What is left of a lease; `TTL` is -1 for one that does not exist. */
  async timeToLive(
    leaseID: LeaseID,
    options: TimeToLiveOptions = {},
  ): Promise<LeaseTimeToLiveResponse> {
    const request = LeaseTimeToLiveRequest.create({
      ID: mustBeID("leaseID", leaseID),
      keys: options.keys ?? false,
    });
    const answer = await this.#caller.unary(
      METHODS.leaseTimeToLive,
      request,
      options,
      METHODS.leaseTimeToLive.repeat,
      TIME_TO_LIVE_OPTIONS,
    );
    const prefix = this.#prefix;
    if (prefix !== undefined) {
      const own = answer.keys.filter((key) => prefix.has(key));
      answer.keys = own.map((key) => prefix.strip(key));
    }
    return answer;
  }

  leases(options: CallOptions = {}): Promise<LeaseLeasesResponse> {
    return this.#caller.unary(METHODS.leaseLeases, LeaseLeasesRequest.create(), options);
  }

  /** Renews a lease once. Rejects with kind "leaseNotFound" if there is none. */
  async keepAliveOnce(
    leaseID: LeaseID,
    options: CallOptions = {},
  ): Promise<LeaseKeepAliveResponse> {
    const request = LeaseKeepAliveRequest.create({ ID: mustBeID("leaseID", leaseID) });
    const answer = await exchangeOnce(this.#caller, METHODS.leaseKeepAlive, request, options);
    if (answer.TTL > 0) return withJSONInside(answer);
    const { code, message } = ERRORS.leaseNotFound;
    throw new EtcdClientError(message, { code, kind: "leaseNotFound" });
  }

  /**
   * Renews a lease every third of its TTL until told to stop, over all reconnections. Leases of
   * one client share one stream.
   */
  keepAlive(leaseID: LeaseID, options: KeepAliveOptions = {}): LeaseKeepAlive {
    checkOptions("keepAlive", options, KEEP_ALIVE_OPTIONS);
    mustBeID("leaseID", leaseID);
    const { ttl } = options;
    if (ttl !== undefined) mustBeWhole("ttl", ttl);
    const expiresMs = ttl === undefined ? undefined : this.#caller.clock.nowMs() + ttl * 1000;
    return new LeaseKeepAlive(this.#keeper, leaseID, expiresMs);
  }

  /** For `Session`: grants and keeps. The lease is known to live until its TTL after the asking. */
  async grantAndKeep(ttl: number, options: LeaseGrantOptions): Promise<LeaseKeepAlive> {
    const askedMs = this.#caller.clock.nowMs();
    const granted = await this.grant(ttl, options);
    return new LeaseKeepAlive(this.#keeper, granted.ID, askedMs + granted.TTL * 1000);
  }
}
