/**
 * A grpc-proxy as the transport sees it: calls of clients in, calls to members out. What it does not
 * know better is passed on as it is, with the caller's token.
 */
import { StatusCode } from "../../api/errors.ts";
import {
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
  MemberListResponse,
} from "../../api/gen/rpc.ts";
import { METHOD, METHODS } from "../../api/rpc-table.ts";
import { copyBytes } from "../../base/bytes.ts";
import type { EtcdClient, KeyClient } from "../../client/index.ts";
import { KeyPrefix } from "../../client/namespace/key-prefix.ts";
import type { Call, RpcService, StreamCall, UnaryCall } from "../../env/rpc.ts";
import { ProxyKeyValue } from "./key-value.ts";
import { LeaseStreams } from "./lease-streams.ts";
import type { ProxyMetrics } from "./metrics.ts";
import type { RegisteredProxies } from "./registered-proxies.ts";
import { statusOf, type Upstream } from "./upstream.ts";
import { CONGESTED_BYTES, WatchStreams } from "./watch-streams.ts";

const HEALTH_SERVICE = "grpc.health.v1.Health";

export interface ProxyServiceOptions {
  /** "" for none. */
  readonly namespace: string;
  readonly isOrdered: boolean;
  /** "" for no leasing. */
  readonly leasingPrefix: string;
  /** `--max-send-bytes`: what a request to a member may have. */
  readonly maxSendBytes: number;
}

export interface ProxyServiceDeps {
  readonly upstream: Upstream;
  readonly metrics: ProxyMetrics;
  readonly proxies: RegisteredProxies;
}

export class ProxyService implements RpcService {
  readonly #deps: ProxyServiceDeps;
  readonly #namespace: KeyPrefix | undefined;
  readonly #maxSendBytes: number;
  readonly #kv: ProxyKeyValue;
  readonly #watches: WatchStreams;
  readonly #leases: LeaseStreams;

  constructor(options: ProxyServiceOptions, deps: ProxyServiceDeps) {
    const { namespace, isOrdered, leasingPrefix, maxSendBytes } = options;
    const { upstream, metrics } = deps;
    this.#deps = deps;
    this.#maxSendBytes = maxSendBytes;
    this.#namespace = namespace === "" ? undefined : new KeyPrefix(namespace);
    const keysOf = (client: EtcdClient): KeyClient =>
      namespace === "" ? client : client.namespace(namespace);
    const shared = { upstream, metrics, namespace: this.#namespace, keysOf };
    this.#kv = new ProxyKeyValue({ ...shared, isOrdered, leasingPrefix });
    this.#watches = new WatchStreams(shared);
    this.#leases = new LeaseStreams(upstream);
  }

  stop(): void {
    this.#watches.stop();
  }

  unary(calls: readonly UnaryCall[]): void {
    for (const call of calls) {
      if (METHODS[call.method]?.service === HEALTH_SERVICE) {
        call.fail(StatusCode.UNIMPLEMENTED, `unknown service ${HEALTH_SERVICE}`);
        continue;
      }
      const refusal = this.#deps.upstream.refusalOf(call);
      if (refusal !== undefined) {
        call.fail(StatusCode.FAILED_PRECONDITION, refusal);
        continue;
      }
      const { length } = call.body;
      if (length > this.#maxSendBytes) {
        const text = `trying to send message larger than max (${length} vs. ${this.#maxSendBytes})`;
        call.fail(StatusCode.RESOURCE_EXHAUSTED, text);
        continue;
      }
      const abort = new AbortController();
      call.onCancel = () => abort.abort();
      this.#answer(call, copyBytes(call.body), abort.signal).then(
        (answer) => call.reply(answer),
        (error: unknown) => {
          const { code, message } = statusOf(error);
          call.fail(code, message);
        },
      );
    }
  }

  stream(call: StreamCall): void {
    const refusal = this.#deps.upstream.refusalOf(call);
    if (refusal !== undefined) {
      call.finish(StatusCode.FAILED_PRECONDITION, refusal);
      return;
    }
    switch (call.method) {
      case METHOD.Watch:
        this.#watches.open(call);
        return;
      case METHOD.LeaseKeepAlive:
        this.#leases.open(call);
        return;
      case METHOD.Snapshot:
      case METHOD.Observe:
      case METHOD.RangeStream:
        this.#passOn(call);
        return;
      default:
        call.finish(StatusCode.UNIMPLEMENTED, `unknown service ${serviceOf(call)}`);
    }
  }

  async #answer(call: UnaryCall, body: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const { upstream, proxies } = this.#deps;
    const own = this.#kv.methods[call.method];
    if (own !== undefined) return own(call, body, upstream.optionsOf(call, signal));
    if (call.method === METHOD.MemberList) {
      const list = proxies.list(upstream.lastHeader);
      if (list !== undefined) return MemberListResponse.encode(list);
    }
    const answer = await upstream.raw(call, body, signal);
    return call.method === METHOD.LeaseTimeToLive ? this.#ownKeys(body, answer) : answer;
  }

  /** Keys of the lease outside of the namespace are nobody's business here. */
  #ownKeys(request: Uint8Array, answer: Uint8Array): Uint8Array {
    const prefix = this.#namespace;
    if (prefix === undefined || !LeaseTimeToLiveRequest.decode(request).keys) return answer;
    const decoded = LeaseTimeToLiveResponse.decode(answer);
    const own = decoded.keys.filter((key) => prefix.has(key));
    return LeaseTimeToLiveResponse.encode({
      ...decoded,
      keys: own.map((key) => prefix.strip(key)),
    });
  }

  #passOn(call: StreamCall): void {
    const abort = new AbortController();
    call.onCancel = () => abort.abort();
    call.onMessage = (message) => {
      call.onMessage = undefined;
      let drained: Promise<void> | undefined;
      const send = (bytes: Uint8Array): Promise<void> | undefined => {
        call.send(bytes);
        if (call.bufferedBytes <= CONGESTED_BYTES) return undefined;
        drained ??= new Promise((resolve) => {
          call.onDrain = () => {
            drained = undefined;
            resolve();
          };
        });
        return drained;
      };
      this.#deps.upstream.receive(call, copyBytes(message), send, abort.signal).then(
        () => call.finish(StatusCode.OK, ""),
        (error: unknown) => {
          const { code, message: text } = statusOf(error);
          call.finish(code, text);
        },
      );
    };
  }
}

function serviceOf(call: Call): string {
  return METHODS[call.method]?.service ?? "";
}
