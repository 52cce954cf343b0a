/**
 * Who calls, and what they may do: users and roles as the log has them, the logins that this member
 * knows, and the name in a client's certificate.
 *
 * A call's identity is a token if it carries one, otherwise the certificate's common name where
 * client certificates are demanded; never a certificate behind the gateway, which is the gateway's
 * own (CVE-2018-16886).
 */
import { createHash } from "node:crypto";
import { EtcdError } from "../../api/errors.ts";
import {
  AuthStore,
  type Identity,
  type LeaseKeys,
  NOBODY,
  RequestPermissions,
  ROOT_USER,
  type TokenContext,
  type TokenProvider,
} from "../../auth/index.ts";
import type { Backend } from "../../backend/types.ts";
import type { Index } from "../../base/ids.ts";
import type { Call, Clock, Logger, PasswordHasher } from "../../env/index.ts";

export interface AuthenticationOptions {
  readonly backend: Backend;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tokens: TokenProvider;
  readonly passwords: PasswordHasher;
  readonly bcryptCost: number;
  /** `--client-cert-auth`: the common name of a certificate is a user. */
  readonly clientCertAuth: boolean;
  readonly leaseKeys: LeaseKeys;
  readonly appliedIndex: () => Index;
}

/** bcrypt's bounds, and etcd's default. */
const MIN_BCRYPT_COST = 4;
const MAX_BCRYPT_COST = 31;
const DEFAULT_BCRYPT_COST = 10;

const BEARER = "Bearer ";

/** What tells who calls. */
export type Caller = Pick<Call, "metadata" | "certificateName" | "viaGateway">;

/** A token that another member gave out for a login which is not applied here yet. */
export interface EarlyToken {
  readonly kind: "early";
  /** Where it is in the log. */
  readonly index: Index;
}

export class Authentication {
  readonly store: AuthStore;
  readonly permissions: RequestPermissions;
  readonly passwords: PasswordHasher;
  readonly bcryptCost: number;
  readonly #options: AuthenticationOptions;
  /** One for all tokens. */
  readonly #context: TokenContext;
  /** Called amid the application of an entry: work belongs into a later turn. */
  onPermissionsChanged: (() => void) | undefined;

  /** Throws `AuthRecordError` when the database's records of users are damaged. */
  constructor(options: AuthenticationOptions) {
    const { backend, logger, tokens, passwords, leaseKeys } = options;
    const bcryptCost = validCost(options.bcryptCost, logger);
    this.#options = options;
    this.#context = contextOf(options, () => this.store.revision);
    this.passwords = passwords;
    this.bcryptCost = bcryptCost;
    this.store = new AuthStore({
      backend,
      logger,
      hashPassword: (password) => passwords.hashNow(password, bcryptCost),
    });
    this.permissions = new RequestPermissions(this.store, leaseKeys);
    this.store.events = {
      enabled: () => tokens.enable(),
      disabled: () => tokens.disable(),
      userInvalidated: (username) => tokens.invalidateUser(username),
      permissionsChanged: () => this.onPermissionsChanged?.(),
    };
    if (this.store.enabled) tokens.enable();
  }

  /** What this member does on its own behalf, such as revoking a lease that has expired. */
  get ownIdentity(): Identity {
    return this.store.enabled ? { username: ROOT_USER, authRevision: this.store.revision } : NOBODY;
  }

  /** Throws `EtcdError("invalidAuthToken")` for a token that means nothing. */
  identify(call: Caller): Identity | EarlyToken {
    if (!this.store.enabled) return NOBODY;
    const given = call.metadata("token") ?? call.metadata("authorization");
    if (given !== undefined) return this.#bearerOf(withoutScheme(given));
    const { certificateName } = call;
    if (!this.#options.clientCertAuth || certificateName === undefined) return NOBODY;
    if (call.viaGateway) {
      const fields = { "common-name": certificateName, "user-name": certificateName };
      this.#options.logger.warn("ignoring common name in gRPC-gateway proxy request", {
        ...fields,
        revision: this.store.revision,
      });
      return NOBODY;
    }
    return { username: certificateName, authRevision: this.store.revision };
  }

  /** Whose token another member passes on; without one, nobody's. Throws `invalidAuthToken`. */
  identifyForwarded(token: string | undefined): Identity {
    if (!this.store.enabled || token === undefined) return NOBODY;
    return known(this.#bearerOf(withoutScheme(token)));
  }

  /** As `identify`, for a stream whose token was good when it was opened. */
  identifyNow(call: Caller): Identity {
    return known(this.identify(call));
  }

  /**
   * Nothing has changed since the identity was checked, so that what was read meanwhile may be told.
   * Throws `authOldRevision`; etcd's clients ask again.
   */
  confirm(identity: Identity): void {
    if (!this.store.enabled || identity === NOBODY) return;
    if (identity.authRevision !== this.store.revision) throw new EtcdError("authOldRevision");
  }

  /**
   * True if nobody knows yet what this caller may do: authentication was off when the call came, as
   * far as this member knew, and is on now. A member that lags learns of it while a read waits.
   */
  isUnchecked(identity: Identity): boolean {
    return this.store.enabled && identity === NOBODY;
  }

  #bearerOf(token: string): Identity | EarlyToken {
    const { tokens, logger } = this.#options;
    const verdict = tokens.verify(token, this.#context);
    if (verdict.kind === "valid") return verdict.identity;
    if (verdict.kind === "early") return verdict;
    if (verdict.told !== undefined) logger.warn(verdict.told, { error: verdict.reason });
    logger.warn("invalid auth token", { "token-fingerprint": fingerprintOf(token) });
    throw new EtcdError("invalidAuthToken");
  }

  /** Refuses whoever is not logged in; allows everybody while authentication is off. */
  requireUser(identity: Identity): void {
    if (this.store.enabled && identity === NOBODY) throw new EtcdError("userEmpty");
  }

  /** What the proposing member adds to a login, so that its token cannot be guessed. */
  newTokenPrefix(): string {
    return this.#options.tokens.newPrefix();
  }

  /** A login was applied: its token. Throws `EtcdError` when the user may not log in any more. */
  login(username: string, prefix: string, index: Index): string {
    const { tokens, clock, logger } = this.#options;
    if (!this.store.enabled) throw new EtcdError("authNotEnabled");
    const user = this.store.user(username);
    if (user === undefined || user.options?.noPassword === true) throw new EtcdError("authFailed");
    const authRevision = this.store.revision;
    const token = tokens.assign({ username, prefix, index, authRevision }, clock.nowMs());
    if (logger.enabled("debug")) {
      logger.debug("authenticated a user", {
        "user-name": username,
        "token-fingerprint": fingerprintOf(token),
      });
    }
    return token;
  }
}

function contextOf(
  { clock, appliedIndex }: AuthenticationOptions,
  authRevision: () => number,
): TokenContext {
  return {
    get nowMs() {
      return clock.nowMs();
    },
    get wallMs() {
      return clock.wallMs();
    },
    get authRevision() {
      return authRevision();
    },
    get appliedIndex() {
      return appliedIndex();
    },
  };
}

function withoutScheme(given: string): string {
  return given.startsWith(BEARER) ? given.slice(BEARER.length) : given;
}

/** As etcd, which does not refuse to start with another cost. */
function validCost(cost: number, logger: Logger): number {
  if (cost >= MIN_BCRYPT_COST && cost <= MAX_BCRYPT_COST) return cost;
  logger.warn("use default bcrypt cost instead of the invalid given cost", {
    "min-cost": MIN_BCRYPT_COST,
    "max-cost": MAX_BCRYPT_COST,
    "default-cost": DEFAULT_BCRYPT_COST,
    "given-cost": cost,
  });
  return DEFAULT_BCRYPT_COST;
}

export function isEarly(identity: Identity | EarlyToken): identity is EarlyToken {
  return identity !== NOBODY && "kind" in identity;
}

/** For who cannot wait: a token that is early is as good as none. */
function known(identity: Identity | EarlyToken): Identity {
  if (isEarly(identity)) throw new EtcdError("invalidAuthToken");
  return identity;
}

/** As etcd writes it: enough to tell tokens apart, too little to use one. */
function fingerprintOf(token: string): string {
  return createHash("sha256").update(token).digest("hex").slice(0, 12);
}
