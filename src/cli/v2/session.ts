/**
 * What a command works with: its flags, the settings from flags and environment, and a client that
 * knows the cluster. How failures end a command is decided here.
 */
import { errorMessage } from "../../base/error-message.ts";
import { askPassword } from "../etcdctl/password.ts";
import type { UtilityDeps } from "../etcdutl/deps.ts";
import { CliExit } from "../framework/exit.ts";
import type { Io } from "../framework/io.ts";
import { readNamedFile } from "../framework/named-file.ts";
import { endpointsFromSrv } from "../framework/srv-lookup.ts";
import { parseAddress } from "./address.ts";
import { ClusterClient } from "./cluster-client.ts";
import { ClientError, ClusterError, NoEndpointsError } from "./errors.ts";
import type { FlagValues } from "./flag-values.ts";
import { syncEndpoints } from "./members-api.ts";
import { type TlsMaterial, Transport } from "./transport.ts";

/** Exit codes of API 2. */
export const V2Exit = {
  BAD_ARGS: 1,
  BAD_CONNECTION: 2,
  SERVER_ERROR: 4,
  CLUSTER_NOT_HEALTHY: 5,
} as const;

const DEFAULT_ENDPOINTS = "http://127.0.0.1:2379,http://127.0.0.1:4001";
const DEFAULT_TIMEOUT_MS = 2_000;
const DEFAULT_TOTAL_TIMEOUT_MS = 5_000;
/** As etcdctl's: nobody waits longer for a connection. */
const MAX_DIAL_TIMEOUT_MS = 30_000;

export type FilesWorld = (io: Io) => Promise<UtilityDeps>;

export class Session {
  readonly io: Io;
  readonly globals: FlagValues;
  readonly flags: FlagValues;
  /** What work on files is given. */
  readonly world: FilesWorld;
  readonly #closers: (() => void)[] = [];

  constructor(io: Io, globals: FlagValues, flags: FlagValues, world: FilesWorld) {
    this.world = world;
    this.io = io;
    this.globals = globals;
    this.flags = flags;
  }

  get args(): readonly string[] {
    return this.flags.args;
  }

  get output(): string {
    return this.globals.string("output", "simple");
  }

  close(): void {
    for (const close of this.#closers) close();
  }

  /** Ends a command with one line about what is wrong with its use. */
  refuse(line: string): never {
    this.io.err(`${line}\n`);
    throw new CliExit(V2Exit.BAD_ARGS);
  }

  /** Ends a command by a failure. */
  fail(code: number, error: unknown): never {
    this.io.err(`Error:  ${errorMessage(error)}\n`);
    if (error instanceof ClusterError) this.io.err(`${error.detail}\n`);
    throw new CliExit(code);
  }

  /** A new signal that ends a command's work; Go's clocks run anew for each part. */
  deadline(): AbortSignal {
    const total = this.globals.milliseconds("total-timeout", DEFAULT_TOTAL_TIMEOUT_MS);
    if (total <= 0) return AbortSignal.abort();
    const controller = new AbortController();
    const timer = this.io.clock.setTimer(total, () => controller.abort());
    this.#closers.push(() => timer.cancel());
    return controller.signal;
  }

  /** A client for the given endpoints, not in contact yet. */
  async unsyncedClient(): Promise<ClusterClient> {
    try {
      const client = await this.#newClient();
      return client;
    } catch (error) {
      if (error instanceof CliExit) throw error;
      return this.refuse(errorMessage(error));
    }
  }

  /** A client that uses the members' own addresses, unless --no-sync is given. */
  async client(): Promise<ClusterClient> {
    const client = await this.unsyncedClient();
    const isDebug = this.globals.bool("debug");
    if (!this.globals.bool("no-sync")) {
      const given = client.endpoints.join(",");
      if (isDebug) this.io.err(`start to sync cluster using endpoints(${given})\n`);
      await this.#sync(client, given);
      if (isDebug) this.io.err(`got endpoints(${client.endpoints.join(",")}) after sync\n`);
    }
    this.tellEndpoints(client);
    return client;
  }

  tellEndpoints(client: ClusterClient): void {
    if (!this.globals.bool("debug")) return;
    this.io.err(`Cluster-Endpoints: ${client.endpoints.join(", ")}\n`);
  }

  /** Other failures to learn the members are left to the command itself. */
  async #sync(client: ClusterClient, given: string): Promise<void> {
    try {
      await syncEndpoints(client, this.deadline());
    } catch (error) {
      if (error instanceof NoEndpointsError) {
        this.io.err("etcd cluster has no published client endpoints.\n");
        this.io.err(
          `Try '--no-sync' if you want to access non-published client endpoints(${given}).\n`,
        );
        this.fail(V2Exit.SERVER_ERROR, error);
      }
      if (!(error instanceof ClientError)) throw error;
      if (error.isConnection) this.fail(V2Exit.BAD_CONNECTION, error);
    }
  }

  async #newClient(): Promise<ClusterClient> {
    const endpoints = await this.#endpoints();
    const transport = this.newTransport();
    const username = this.#setting("username", "ETCDCTL_USERNAME");
    const credentials = username === "" ? undefined : await this.credentials(username);
    const isDebug = this.globals.bool("debug");
    return new ClusterClient({
      transport,
      endpoints,
      headerTimeoutMs: this.globals.milliseconds("timeout", DEFAULT_TIMEOUT_MS),
      below: (limit) => Math.floor(Math.random() * limit),
      ...(credentials === undefined ? {} : { credentials }),
      ...(isDebug
        ? { onCurl: (command: string) => this.io.err(`cURL Command: ${command}\n`) }
        : {}),
    });
  }

  /** "name:password"; asks for the password when there is no colon. */
  async credentials(
    given: string,
    prompt = "Password: ",
  ): Promise<{ readonly username: string; readonly password: string }> {
    const colon = given.indexOf(":");
    if (colon >= 0) {
      return { username: given.slice(0, colon), password: given.slice(colon + 1) };
    }
    return { username: given, password: (await askPassword(this.io, prompt)) ?? "" };
  }

  /** @throws ClientError when a file of certificates cannot be read. */
  newTransport(): Transport {
    const total = this.globals.milliseconds("total-timeout", DEFAULT_TOTAL_TIMEOUT_MS);
    const dialMs = total > 0 ? Math.min(total, MAX_DIAL_TIMEOUT_MS) : MAX_DIAL_TIMEOUT_MS;
    const transport = new Transport(this.#tls(), dialMs, this.io.clock);
    this.#closers.push(() => transport.close());
    return transport;
  }

  #tls(): TlsMaterial {
    const ca = this.#setting("ca-file", "ETCDCTL_CA_FILE");
    const cert = this.#setting("cert-file", "ETCDCTL_CERT_FILE");
    const key = this.#setting("key-file", "ETCDCTL_KEY_FILE");
    if ((cert === "") !== (key === "")) {
      throw new ClientError(
        `KeyFile and CertFile must both be present[key: ${key}, cert: ${cert}]`,
      );
    }
    const { domain, isInsecure } = this.#discovery();
    return {
      ...(cert === "" ? {} : { cert: readPem(cert), key: readPem(key) }),
      ...(ca === "" ? {} : { ca: readPem(ca) }),
      ...(domain === "" || isInsecure ? {} : { servername: domain }),
    };
  }

  #discovery(): { readonly domain: string; readonly isInsecure: boolean } {
    const { ETCDCTL_INSECURE_DISCOVERY = "" } = this.io.env;
    return {
      domain: this.#setting("discovery-srv", "ETCDCTL_DISCOVERY_SRV"),
      isInsecure: this.globals.bool("insecure-discovery") || ETCDCTL_INSECURE_DISCOVERY !== "",
    };
  }

  async #endpoints(): Promise<readonly string[]> {
    const { domain, isInsecure } = this.#discovery();
    const suffix = this.io.env.ETCDCTL_DISCOVERY_SRV_NAME ?? "";
    const found =
      domain === ""
        ? { urls: [] }
        : await endpointsFromSrv(this.io, { domain, suffix, isInsecure });
    if ("error" in found) throw new ClientError(found.error);
    const given = found.urls.length > 0 ? found.urls : this.#givenEndpoints().split(",");
    return given.map((endpoint) => {
      const parsed = parseAddress(endpoint);
      if ("error" in parsed) throw new ClientError(parsed.error);
      return parsed.address.href;
    });
  }

  #givenEndpoints(): string {
    const sources = [
      this.#setting("endpoints", "ETCDCTL_ENDPOINTS"),
      this.#setting("endpoint", "ETCDCTL_ENDPOINT"),
      this.#setting("peers", "ETCDCTL_PEERS"),
    ];
    return sources.find((source) => source !== "") ?? DEFAULT_ENDPOINTS;
  }

  /** The flag counts before the environment. */
  #setting(flag: string, variable: string): string {
    const given = this.globals.string(flag);
    return given === "" ? (this.io.env[variable] ?? "") : given;
  }
}

function readPem(path: string): Buffer {
  const file = readNamedFile(path);
  if ("error" in file) throw new ClientError(file.error);
  return file.value;
}
