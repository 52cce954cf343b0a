/**
 * The TLS of one member, made from its configuration: credentials for the two sides, what listeners
 * and dialers do with them, and what a start says about it, in etcd's words.
 */
import { lookup, reverse } from "node:dns/promises";
import { join } from "node:path";
import { type EtcdUrl, isSecureUrl } from "../base/etcd-url.ts";
import type { Clock } from "../env/clock.ts";
import type { Logger } from "../env/logger.ts";
import type { Metrics } from "../env/metrics.ts";
import type { TlsAcceptor } from "../env/tls.ts";
import {
  CertificateExpiry,
  describeTls,
  hasNoCertificate,
  type NameLookup,
  NO_TLS,
  NodeTlsAcceptor,
  registerTlsMetrics,
  selfSignedFiles,
  TlsCredentials,
  TlsDialer,
  type TlsSettings,
  type TlsSide,
  type TlsVersion,
} from "../platform/index.ts";
import { opensslCipherName } from "./config/cipher-suites.ts";
import type { EtcdConfig } from "./config/index.ts";

export interface MemberTlsDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const REJECTED: Readonly<Record<TlsSide, string>> = {
  client: "rejected connection on client endpoint",
  peer: "rejected connection on peer endpoint",
};

/** How the member's own name server answers; etcd asks the same way. */
const SYSTEM_NAMES: NameLookup = {
  reverse,
  lookup: async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
};

export class MemberTls {
  /** Connects to members with https URLs. */
  readonly dialer: TlsDialer;
  readonly #deps: MemberTlsDeps;
  readonly #credentials: Partial<Record<TlsSide, TlsCredentials>>;
  readonly #expiry: CertificateExpiry;
  readonly #metrics: ReturnType<typeof registerTlsMetrics>;
  readonly #skipsAddressCheck: boolean;

  /**
   * Reads the files, and makes the certificates of `--auto-tls` and `--peer-auto-tls` if they are
   * not there yet. Throws with the reason when something cannot serve.
   */
  constructor(config: EtcdConfig, deps: MemberTlsDeps) {
    this.#deps = deps;
    this.#skipsAddressCheck = config.peerSkipClientSanVerification;
    this.#metrics = registerTlsMetrics(deps.metrics);
    const peer = this.#open("peer", peerSettings(config, deps));
    this.dialer = new TlsDialer(peer);
    const { listenClientUrls, listenClientHttpUrls, listenMetricsUrls } = config;
    const clientUrls = [...listenClientUrls, ...listenClientHttpUrls];
    this.#credentials = { peer };
    // As in etcd, files that no listener needs are not looked at, but `--auto-tls` makes its own.
    const isNeeded = [...clientUrls, ...listenMetricsUrls].some(isSecureUrl);
    if (isNeeded || config.autoTls || config.proxy !== "off") {
      this.#credentials.client = this.#open("client", clientSettings(config, deps));
    }
    const sides = (["client", "peer"] as const).flatMap((side) => {
      const credentials = this.#credentials[side];
      return credentials === undefined ? [] : [{ side, credentials }];
    });
    this.#expiry = new CertificateExpiry({ sides, ...deps, metrics: this.#metrics });
    this.#expiry.start();
  }

  /** For a listener of this side with a secure URL. */
  acceptorFor(side: TlsSide): TlsAcceptor | undefined {
    const credentials = this.#credentials[side];
    if (credentials === undefined) return undefined;
    const checksAddress = side === "peer" && !this.#skipsAddressCheck;
    return new NodeTlsAcceptor({
      credentials,
      clock: this.#deps.clock,
      logger: this.#deps.logger,
      rejectedMessage: REJECTED[side],
      names: checksAddress ? SYSTEM_NAMES : undefined,
      onOutcome: (outcome) => this.#metrics.handshakes.of(side, outcome).add(),
    });
  }

  /**
   * For connections to the client ports of members. As etcd's proxy: with the client side's
   * certificate if there is one, otherwise as a peer.
   */
  memberDialer(): TlsDialer {
    const { client } = this.#credentials;
    const isUsed = client !== undefined && !hasNoCertificate(client.settings);
    return isUsed ? new TlsDialer(client) : this.dialer;
  }

  /** Listeners stop their acceptors themselves. */
  stop(): void {
    this.#expiry.stop();
  }

  #open(side: TlsSide, settings: TlsSettings): TlsCredentials {
    if (!hasNoCertificate(settings)) {
      this.#deps.logger.info(`starting with ${side} TLS`, {
        "tls-info": describeTls(settings),
        "cipher-suites": settings.ciphers?.split(":") ?? [],
      });
    }
    return new TlsCredentials({
      settings,
      onReloadFailure: (what, error) => {
        this.#metrics.reloadFailures.of(side, what).add();
        this.#deps.logger.warn("cannot use changed TLS files; the last good ones stay in force", {
          side,
          what,
          error,
        });
      },
    });
  }
}

function clientSettings(config: EtcdConfig, deps: MemberTlsDeps): TlsSettings {
  const settings: TlsSettings = {
    ...sharedSettings(config),
    certFile: config.certFile,
    keyFile: config.keyFile,
    clientCertFile: config.clientCertFile,
    clientKeyFile: config.clientKeyFile,
    trustedCaFile: config.trustedCaFile,
    crlFile: config.clientCrlFile,
    clientCertAuth: config.clientCertAuth,
    allowedCommonNames: [],
    allowedHostnames: config.clientCertAllowedHostnames,
  };
  if (!config.autoTls) return settings;
  const urls = [...config.listenClientUrls, ...config.listenClientHttpUrls];
  return withSelfSigned(settings, { config, deps, side: "client", urls });
}

function peerSettings(config: EtcdConfig, deps: MemberTlsDeps): TlsSettings {
  const settings: TlsSettings = {
    ...sharedSettings(config),
    certFile: config.peerCertFile,
    keyFile: config.peerKeyFile,
    clientCertFile: config.peerClientCertFile,
    clientKeyFile: config.peerClientKeyFile,
    trustedCaFile: config.peerTrustedCaFile,
    crlFile: config.peerCrlFile,
    clientCertAuth: config.peerClientCertAuth,
    allowedCommonNames: config.peerCertAllowedCns,
    allowedHostnames: config.peerCertAllowedHostnames,
  };
  if (!config.peerAutoTls) return settings;
  return withSelfSigned(settings, { config, deps, side: "peer", urls: config.listenPeerUrls });
}

function sharedSettings(
  config: EtcdConfig,
): Pick<TlsSettings, "ciphers" | "minVersion" | "maxVersion" | "isSelfSigned"> {
  return {
    ciphers: ciphersOf(config.cipherSuites),
    minVersion: tlsVersionOf(config.tlsMinVersion) ?? "TLSv1.2",
    maxVersion: tlsVersionOf(config.tlsMaxVersion),
    isSelfSigned: false,
  };
}

/** As in Go, the suites of TLS 1.3 cannot be chosen and are always offered. */
const TLS13_SUITES = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
];

export function ciphersOf(suites: readonly string[]): string | undefined {
  if (suites.length === 0) return undefined;
  const names = suites.map(opensslCipherName).filter((name) => name !== undefined);
  return [...new Set([...TLS13_SUITES, ...names])].join(":");
}

export function tlsVersionOf(text: string): TlsVersion | undefined {
  if (text === "TLS1.2") return "TLSv1.2";
  return text === "TLS1.3" ? "TLSv1.3" : undefined;
}

interface SelfSignedWhere {
  readonly config: EtcdConfig;
  readonly deps: MemberTlsDeps;
  readonly side: TlsSide;
  readonly urls: readonly EtcdUrl[];
}

function withSelfSigned(settings: TlsSettings, where: SelfSignedWhere): TlsSettings {
  const { config, deps, side, urls } = where;
  if (!hasNoCertificate(settings)) {
    deps.logger.warn(`ignoring ${side} auto TLS since certs given`);
    return settings;
  }
  const { certFile, keyFile } = selfSignedFiles({
    directory: join(config.dataDir, "fixtures", side),
    hosts: [...new Set(urls.map(({ hostname }) => hostname))],
    validityYears: config.selfSignedCertValidityYears,
    nowMs: deps.clock.wallMs(),
    logger: deps.logger,
  });
  return {
    // etcd's own certificate takes the place of all other settings, the CA included.
    ...NO_TLS,
    ...sharedSettings(config),
    certFile,
    keyFile,
    clientCertFile: certFile,
    clientKeyFile: keyFile,
    isSelfSigned: true,
  };
}
