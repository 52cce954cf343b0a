/** Options of npm `etcd3`, and what they are called in the client. */
import type { CallOptions, EtcdClientOptions } from "../client/index.ts";
import type { Clock } from "../env/clock.ts";

/** What a call takes: of gRPC's options the deadline; besides, an `AbortSignal`. */
export interface ICallOptions {
  /** A point in time: a date, or milliseconds since 1970. */
  deadline?: Date | number | undefined;
  signal?: AbortSignal | undefined;
}

export interface ICallContext {
  /** "KV", "Lease" and so on. */
  service: string;
  /** "range", "leaseGrant" and so on. */
  method: string;
  params: unknown;
  isStream: boolean;
}

export type CallOptionsFactory = ICallOptions | ((context: ICallContext) => ICallOptions);

/** As the policies of the npm package cockatiel. */
export interface IPolicy {
  execute<T>(fn: (context: never) => PromiseLike<T> | T): Promise<T>;
}

export interface IOptions {
  /** Addresses with or without "http://" or "https://". Default "127.0.0.1:2379". */
  hosts?: string[] | string;
  credentials?: {
    rootCertificate: Buffer;
    privateKey?: Buffer;
    certChain?: Buffer;
  };
  auth?: {
    username: string;
    password: string;
    /** Accepted and without effect: logins belong to the client, not to a call. */
    callOptions?: CallOptionsFactory;
  };
  /** Taken: `grpc.keepalive_time_ms`, `grpc.keepalive_timeout_ms`,
   * `grpc.max_receive_message_length` and `grpc.ssl_target_name_override`. */
  grpcOptions?: Readonly<Record<string, unknown>>;
  defaultCallOptions?: CallOptionsFactory;
  /** Milliseconds until a host that cannot be reached is given up. Default 5000. */
  dialTimeout?: number;
  /**
   * Without policies the client looks for a host that answers, and repeats what is safe to repeat.
   * With one of them each attempt asks one host, once, and policies decide about others.
   */
  faultHandling?: {
    /** Around each attempt at one host. */
    host?: (hostname: string) => IPolicy;
    /** Around a call with all its attempts. */
    global?: IPolicy;
    /** Accepted and without effect: watches are resumed at the client's pace. */
    watchBackoff?: unknown;
  };
}

/** Hosts as endpoints of the client. Throws for none, and for a mix of secure and insecure ones. */
export function endpointsOf({ hosts = "127.0.0.1:2379", credentials }: IOptions): string[] {
  const list = typeof hosts === "string" ? [hosts] : hosts;
  if (list.length === 0) throw new Error("Cannot construct an etcd client with no hosts specified");
  const secure = list.filter((host) => host.startsWith("https:")).length;
  if (credentials === undefined && secure > 0 && secure < list.length) {
    throw new Error("etcd3 cannot be configured with a mix of secure and insecure hosts");
  }
  // With credentials every connection is secure, whatever the addresses say.
  if (credentials === undefined) return list;
  return list.map((host) => `https://${host.replace(/^https?:\/\//, "")}`);
}

export function clientOptionsOf(options: IOptions): EtcdClientOptions {
  const { auth, credentials, grpcOptions = {}, dialTimeout } = options;
  const number = (name: string): number | undefined => {
    const value = grpcOptions[name];
    return typeof value === "number" && value > 0 ? value : undefined;
  };
  const serverName = grpcOptions["grpc.ssl_target_name_override"];
  return {
    endpoints: endpointsOf(options),
    credentials: auth && { username: auth.username, password: auth.password },
    tls: credentials && {
      ca: credentials.rootCertificate,
      key: credentials.privateKey,
      cert: credentials.certChain,
      serverName: typeof serverName === "string" ? serverName : undefined,
    },
    dialTimeoutMs: dialTimeout,
    keepaliveIntervalMs: number("grpc.keepalive_time_ms"),
    keepaliveTimeoutMs: number("grpc.keepalive_timeout_ms"),
    maxMessageBytes: number("grpc.max_receive_message_length"),
    maxAttempts: hasPolicies(options) ? 1 : undefined,
  };
}

export function hasPolicies({ faultHandling }: IOptions): boolean {
  return faultHandling?.host !== undefined || faultHandling?.global !== undefined;
}

/** The caller's options over the defaults, as the client takes them. */
export function callOptionsOf(
  given: ICallOptions | undefined,
  defaults: CallOptionsFactory | undefined,
  clock: Clock,
  context: ICallContext,
): CallOptions {
  const base = typeof defaults === "function" ? defaults(context) : defaults;
  const { deadline, signal } = { ...base, ...given };
  if (deadline === undefined) return { signal };
  return { signal, timeoutMs: Math.max(0, Number(deadline) - clock.wallMs()) };
}
