/** What the proxies of `etcd` are given of the real world. */
import type { Clock } from "../../env/clock.ts";
import type { Logger } from "../../env/logger.ts";
import type { Random } from "../../env/random.ts";
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
  /** Tells systemd that clients are served. */
  readonly notifyReady: () => void;
}
