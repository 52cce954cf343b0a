/** What the proxies of `etcd` are given of the real world. */
import type { Clock } from "../../env/clock.ts";
import type { Logger } from "../../env/logger.ts";
import type { Metrics } from "../../env/metrics.ts";
import type { Random } from "../../env/random.ts";
import type { TlsAcceptor } from "../../env/tls.ts";
import type { TlsOptions } from "../../client/index.ts";
import type { clientSrvRecords } from "../framework/srv-lookup.ts";

/** A server to try a handshake with. */
export interface TlsTrial {
  readonly host: string;
  readonly port: number;
  /** What its certificate must be for. */
  readonly serverName: string;
  /** File of the authorities; "" for the system's. */
  readonly trustedCaFile: string;
}

/** What a grpc-proxy shows to its clients. Files are "" when not given. */
export interface ListenTls {
  readonly certFile: string;
  readonly keyFile: string;
  readonly trustedCaFile: string;
  readonly crlFile: string;
  readonly cipherSuites: readonly string[];
  /** "TLS1.2", "TLS1.3" or "". */
  readonly minVersion: string;
  readonly maxVersion: string;
  /** Makes a certificate, where none is given. */
  readonly auto:
    | { readonly directory: string; readonly host: string; readonly validityYears: number }
    | undefined;
}

/** What it shows to the members, and trusts. */
export type UpstreamTls = TlsOptions;

/** What a grpc-proxy needs besides. */
export interface GrpcWorld {
  readonly metrics: Metrics;
  readonly exposition: { readonly contentType: string; render(): string };
  readonly hostname: string;
  /** Throws when the files cannot be used. */
  readonly acceptorOf: (settings: ListenTls) => () => TlsAcceptor;
  /** What is to be stopped at SIGINT and SIGTERM, before the process ends. */
  readonly stopAtSignal: (running: { stop(): Promise<void> }) => void;
  /** The body of a GET; rejects when there is none. */
  readonly fetch: (url: string, tls: UpstreamTls | undefined) => Promise<Uint8Array>;
}

export interface ProxyDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The whole command line, with the program. */
  readonly commandLine: readonly string[];
  /** Connections that clients may have at a time; undefined when unlimited. */
  readonly maxConnections: number | undefined;
  /** A second descriptor of a socket. */
  readonly duplicate: ((descriptor: number) => number | undefined) | undefined;
  /** Addresses of this machine. */
  readonly localAddresses: () => readonly string[];
  /** All addresses of a host; rejects when it has none. */
  readonly lookUp: (host: string) => Promise<readonly string[]>;
  /** What DNS says of a domain's client endpoints. */
  readonly srvRecords: typeof clientSrvRecords;
  /** Makes a handshake; rejects with the reason when the server cannot be trusted. */
  readonly tryTls: (trial: TlsTrial) => Promise<void>;
  readonly grpc: () => GrpcWorld;
  /** Tells systemd that clients are served. */
  readonly notifyReady: () => void;
}
