/**
 * From flags to calls: the client that a command uses, its deadline, and how a failed call ends the
 * command.
 */
import { errorMessage } from "../../base/error-message.ts";
import {
  EtcdClient,
  EtcdClientError,
  type CallOptions,
  type Credentials,
  type EtcdClientOptions,
  isErrorKind,
  type TlsOptions,
} from "../../client/index.ts";
import { formatStatus, StatusCode } from "../../api/errors.ts";
import type { Invocation } from "../framework/command.ts";
import { ExitCode, exitWithError } from "../framework/exit.ts";
import { applyEnvironment, printSettings } from "./environment.ts";
import { logLine } from "./log-line.ts";
import { selectFormat } from "./view.ts";

/** How long connecting goes on for a command without a deadline of its own. */
const PATIENCE_MS = 3000;
/** As etcd's client: what the server may be sent unless --max-request-bytes says otherwise. */
const DEFAULT_MAX_REQUEST_BYTES = 2 * 1024 * 1024;

export interface Target {
  readonly endpoints: readonly string[];
  readonly tls: TlsOptions | undefined;
  readonly credentials: Credentials | undefined;
}

/** One command's connection to the cluster. */
export class Session {
  readonly call: Invocation;
  readonly target: Target;
  readonly client: EtcdClient;

  constructor(call: Invocation, target: Target) {
    this.call = call;
    this.target = target;
    const { flags } = call;
    const options: EtcdClientOptions = {
      ...target,
      // A call waits for a connection until its own deadline, as in etcd's client.
      dialTimeoutMs: Math.max(flags.durationMs("dial-timeout"), this.timeoutMs + PATIENCE_MS),
      keepaliveIntervalMs: flags.durationMs("keepalive-time"),
      keepaliveTimeoutMs: flags.durationMs("keepalive-timeout"),
      ...(flags.number("max-recv-bytes") > 0
        ? { maxMessageBytes: flags.number("max-recv-bytes") }
        : {}),
    };
    try {
      this.client = new EtcdClient(options);
    } catch (error) {
      exitWithError(ExitCode.BAD_CONNECTION, error);
    }
  }

  get timeoutMs(): number {
    return this.call.flags.durationMs("command-timeout");
  }

  /** For calls that end with --command-timeout. */
  get bounded(): CallOptions {
    return { timeoutMs: this.timeoutMs };
  }

  /** Etcd's client refuses what is larger than the server would take, before it is sent. */
  checkSize(method: string, bytes: number): void {
    const limit = this.call.flags.number("max-request-bytes") || DEFAULT_MAX_REQUEST_BYTES;
    if (bytes <= limit) return;
    const text = `trying to send message larger than max (${bytes} vs. ${limit})`;
    const code = StatusCode.RESOURCE_EXHAUSTED;
    const error = new EtcdClientError(text, { code, kind: "resourceExhausted" });
    this.logFailure(method, error);
    exitWithError(ExitCode.ERROR, errorText(error));
  }

  /** Awaits a call; a failure is logged and ends the command. */
  async must<T>(
    method: string,
    answer: Promise<T>,
    code: number = ExitCode.ERROR,
    describe: (message: string) => string = (message) => message,
  ): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      if (!(error instanceof EtcdClientError)) throw error;
      this.logFailure(method, error);
      return this.#isRefusal(error)
        ? exitWithError(ExitCode.BAD_CONNECTION, errorText(error))
        : exitWithError(code, describe(errorText(error)));
    }
  }

  /** With credentials, connecting includes showing them. */
  #isRefusal(error: EtcdClientError): boolean {
    if (this.target.credentials === undefined) return false;
    const isUnreachable = error.kind === "deadlineExceeded" && error.cause instanceof Error;
    return isUnreachable || isErrorKind(error, "authFailed");
  }

  /** What etcd's client logs of a failed call. */
  logFailure(method: string, error: EtcdClientError, logger = "etcd-client"): void {
    const endpoints = error.endpoint ?? this.target.endpoints[0] ?? "";
    logLine(this.call.io, "warn", "retrying of unary invoker failed", {
      logger,
      target: `etcd-endpoints://${endpoints.replace(/^\w+:\/\//, "")}`,
      method: `/etcdserverpb.${this.#isRefusal(error) ? "Auth/Authenticate" : method}`,
      attempt: 0,
      error: formatStatus(error.code, logReason(error)),
    });
  }
}

function logReason(error: EtcdClientError): string {
  const { cause } = error;
  if (error.kind !== "deadlineExceeded") return error.message;
  return cause instanceof Error ? `latest balancer error: ${cause.message}` : errorText(error);
}

/** The words of an error: etcd's own errors bare, others as gRPC prints them. */
export function errorText(error: unknown): string {
  if (!(error instanceof EtcdClientError)) return errorMessage(error);
  // The client's own text also says why it took so long; etcdctl logs that.
  if (error.kind === "deadlineExceeded") return "context deadline exceeded";
  const isBare = error.message.startsWith("etcdserver: ");
  return isBare ? error.message : formatStatus(error.code, error.message);
}

/** Reads the environment and the flags, and makes the client. Does not connect. */
export async function openSession(call: Invocation): Promise<Session> {
  return new Session(call, await prepare(call));
}

const prepared = new WeakMap<Invocation, Promise<Target>>();

function prepare(call: Invocation): Promise<Target> {
  let target = prepared.get(call);
  if (target === undefined) {
    target = readTarget(call);
    prepared.set(call, target);
  }
  return target;
}

async function readTarget(call: Invocation): Promise<Target> {
  applyEnvironment(call);
  const { flags } = call;
  if (flags.bool("debug")) printSettings(call);
  const endpoints = await endpointsOf(call);
  const hasTls =
    flags.isChanged("cert") ||
    flags.isChanged("key") ||
    flags.isChanged("cacert") ||
    flags.string("discovery-srv") !== "" ||
    !flags.bool("insecure-transport") ||
    flags.bool("insecure-skip-tls-verify");
  const tls = hasTls ? (await import("./tls.ts")).tlsFromFlags(call) : undefined;
  const credentials = await credentialsOf(call);
  selectFormat(call);
  return { endpoints, tls, credentials };
}

async function endpointsOf(call: Invocation): Promise<readonly string[]> {
  const { flags } = call;
  if (flags.string("discovery-srv") !== "") {
    const { discoverEndpoints } = await import("./discovery.ts");
    const found = await discoverEndpoints(call);
    if (found.length > 0) return found;
  }
  const given = flags.strings("endpoints").map((endpoint) => endpoint.trim());
  const endpoints = given.filter((endpoint) => endpoint !== "");
  if (endpoints.length === 0) {
    exitWithError(ExitCode.BAD_CONNECTION, "etcdclient: no available endpoints");
  }
  return endpoints;
}

async function credentialsOf(call: Invocation): Promise<Credentials | undefined> {
  const user = call.flags.string("user");
  if (user === "") return undefined;
  return splitCredentials(call, user, call.flags.string("password"), "Password: ");
}

/** "name:password", or the name alone with the password beside it or asked for. */
export async function splitCredentials(
  call: Invocation,
  user: string,
  given: string,
  prompt: string,
): Promise<Credentials> {
  if (given !== "") return { username: user, password: given };
  const colon = user.indexOf(":");
  if (colon >= 0) return { username: user.slice(0, colon), password: user.slice(colon + 1) };
  const { askPassword } = await import("./password.ts");
  const password = await askPassword(call.io, prompt);
  return { username: user, password };
}

/** The endpoints that commands on single members visit, and the session to ask them with. */
export async function openForEach(
  call: Invocation,
): Promise<{ session: Session; endpoints: readonly string[] }> {
  const session = await openSession(call);
  if (!call.flags.bool("cluster")) return { session, endpoints: session.target.endpoints };
  const { members } = await session.must(
    "Cluster/MemberList",
    session.client.cluster.memberList(session.bounded),
    ExitCode.ERROR,
    (message) => `failed to fetch endpoints from etcd cluster member list: ${message}`,
  );
  return { session, endpoints: members.flatMap(({ clientURLs }) => clientURLs) };
}

/** A session with one endpoint of its own, for a command that visits several. */
export function sessionAt(session: Session, endpoint: string): Session {
  return new Session(session.call, { ...session.target, endpoints: [endpoint] });
}
