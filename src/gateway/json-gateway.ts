/**
 * The JSON gateway: `POST /v3/...` requests become calls of the server's methods, by the table of
 * methods in `api`. It behaves as the gateway of etcd 3.6, down to its error bodies; what differs
 * on purpose: a malformed request of a stream gets an error instead of silence.
 */

import { StatusCode } from "../api/errors.ts";
import { base64Fault } from "../base/base64.ts";
import { parseTimeout } from "../base/grpc-timeout.ts";
import { METHODS, type MethodInfo } from "../api/rpc-table.ts";
import type { Clock } from "../env/clock.ts";
import { HttpBodyTooLarge, type HttpRequest, type HttpResponse } from "../env/http.ts";
import type { Logger } from "../env/logger.ts";
import { GRPC_OVERHEAD_BYTES, type RpcService } from "../env/rpc.ts";
import { CallSlots } from "./call-slots.ts";
import { GatewayStreamCall, GatewayUnaryCall, sendStatus } from "./gateway-calls.ts";
import { decodeJson } from "./json-decode.ts";
import { JsonError } from "./json-reader.ts";
import { JsonValueSplitter } from "./json-values.ts";

export interface JsonGatewayDeps {
  readonly service: RpcService;
  readonly clock: Clock;
  readonly logger: Logger;
  /** `--max-request-bytes`. */
  readonly maxRequestBytes: number;
  /** `--max-concurrent-streams`; default: no limit. */
  readonly maxConcurrentStreams?: number | undefined;
}

/** Base64 makes a third more of the bytes, names and white space come on top. */
const JSON_FACTOR = 2;
const JSON_EXTRA_BYTES = 64 * 1024;

export class JsonGateway {
  readonly #deps: JsonGatewayDeps;
  readonly #byPath = new Map<string, MethodInfo>();
  readonly #maxMessageBytes: number;
  readonly #maxJsonBytes: number;
  readonly #slots: CallSlots;

  constructor(deps: JsonGatewayDeps) {
    this.#deps = deps;
    this.#slots = new CallSlots(deps.maxConcurrentStreams ?? 0);
    this.#maxMessageBytes = deps.maxRequestBytes + GRPC_OVERHEAD_BYTES;
    this.#maxJsonBytes = this.#maxMessageBytes * JSON_FACTOR + JSON_EXTRA_BYTES;
    for (const method of METHODS) {
      for (const path of method.gatewayPaths) this.#byPath.set(path, method);
    }
  }

  /** Largest JSON value that is read, in bytes. */
  get maxJsonBytes(): number {
    return this.#maxJsonBytes;
  }

  /** Serves a request below /v3/. `path` is decoded and clean. */
  handle(path: string, request: HttpRequest, response: HttpResponse): void {
    const method = this.#byPath.get(path);
    if (method === undefined) {
      sendStatus(request, response, StatusCode.NOT_FOUND, "Not Found");
      return;
    }
    if (effectiveMethod(request) !== "POST") {
      sendStatus(request, response, StatusCode.UNIMPLEMENTED, "Method Not Allowed");
      return;
    }
    const deadlineMs = this.#deadlineOf(request);
    if (deadlineMs === undefined) {
      const text = `invalid grpc-timeout: ${request.headers["grpc-timeout"]}`;
      sendStatus(request, response, StatusCode.INVALID_ARGUMENT, text);
      return;
    }
    const problem = metadataProblem(request);
    if (problem !== undefined) {
      sendStatus(request, response, StatusCode.INVALID_ARGUMENT, problem);
      return;
    }
    const served =
      method.kind === "unary"
        ? this.#unary(method, request, response, deadlineMs)
        : this.#stream(method, request, response, deadlineMs);
    served.catch((error: unknown) => {
      this.#deps.logger.warn("failed to serve a request of the JSON gateway", {
        path,
        "remote-addr": request.remote,
        error,
      });
      if (!response.closed) response.end();
    });
  }

  async #unary(
    method: MethodInfo,
    request: HttpRequest,
    response: HttpResponse,
    deadlineMs: number,
  ): Promise<void> {
    const message = await this.#readMessage(method, request, response);
    if (message === undefined) return;
    const { clock, service } = this.#deps;
    const call = new GatewayUnaryCall(method, request, response, clock, deadlineMs, message);
    this.#begin(call, () => service.unary([call]));
  }

  /** When there is room for another call. One that ends before has never begun. */
  #begin(call: GatewayUnaryCall | GatewayStreamCall, start: () => void): void {
    const slot = this.#slots.slot();
    call.onOver = () => slot.leave();
    slot.whenFree(start);
  }

  async #stream(
    method: MethodInfo,
    request: HttpRequest,
    response: HttpResponse,
    deadlineMs: number,
  ): Promise<void> {
    const { clock, service } = this.#deps;
    if (method.kind === "serverStream") {
      const message = await this.#readMessage(method, request, response);
      if (message === undefined) return;
      const call = new GatewayStreamCall(method, request, response, clock, deadlineMs);
      this.#begin(call, () => {
        service.stream(call);
        call.onMessage?.(message);
        if (!call.isOver) call.onHalfClose?.();
      });
      return;
    }
    const call = new GatewayStreamCall(method, request, response, clock, deadlineMs);
    // Its messages wait with it.
    call.pauseReceiving();
    this.#begin(call, () => {
      call.resumeReceiving();
      service.stream(call);
    });
    await this.#pump(method, request, call);
  }

  /** The encoded request of a method with one request; undefined if it was refused. */
  async #readMessage(
    method: MethodInfo,
    request: HttpRequest,
    response: HttpResponse,
  ): Promise<Uint8Array | undefined> {
    try {
      const body = await request.readBody(this.#maxJsonBytes);
      return this.#encode(method, body);
    } catch (error) {
      const status = refusalOf(error);
      if (status === undefined) {
        if (!response.closed) response.end();
        return undefined;
      }
      sendStatus(request, response, status.code, status.message);
      return undefined;
    }
  }

  /** Passes the JSON values in the body to the call as they come. */
  async #pump(method: MethodInfo, request: HttpRequest, call: GatewayStreamCall): Promise<void> {
    const splitter = new JsonValueSplitter(this.#maxJsonBytes);
    const deliver = (value: Uint8Array): void => {
      const message = this.#encode(method, value);
      call.onMessage?.(message);
    };
    await call.receiving();
    if (call.isOver) return;
    try {
      for await (const chunk of request.bodyChunks()) {
        for (const value of splitter.push(chunk)) {
          await call.receiving();
          if (call.isOver) return;
          deliver(value);
        }
        if (call.isOver) return;
      }
      const last = splitter.end();
      if (call.isOver) return;
      if (last !== undefined) deliver(last);
      if (!call.isOver) call.onHalfClose?.();
    } catch (error) {
      const status = refusalOf(error);
      if (status === undefined) call.abort(StatusCode.CANCELLED, "context canceled");
      else call.abort(status.code, `Failed to decode request: ${status.message}`);
    }
  }

  /** JSON to protobuf bytes. Throws `JsonError` or `MessageTooLarge`. */
  #encode(method: MethodInfo, body: Uint8Array): Uint8Array {
    const { request: type } = method;
    const message = type.encode(decodeJson(type, body));
    if (message.length > this.#maxMessageBytes) {
      throw new MessageTooLarge(message.length, this.#maxMessageBytes);
    }
    return message;
  }

  /** On the clock's scale; Infinity without a `Grpc-Timeout` header, undefined if it is bad. */
  #deadlineOf(request: HttpRequest): number | undefined {
    const header = request.headers["grpc-timeout"];
    if (header === undefined || header === "") return Number.POSITIVE_INFINITY;
    const timeoutMs = parseTimeout(header);
    if (typeof timeoutMs === "string") return undefined;
    // As etcd's gateway: 0 is no timeout here, although it is one in gRPC.
    return timeoutMs === 0 ? Number.POSITIVE_INFINITY : this.#deps.clock.nowMs() + timeoutMs;
  }
}

class MessageTooLarge extends Error {
  constructor(bytes: number, limitBytes: number) {
    super(`grpc: received message larger than max (${bytes} vs. ${limitBytes})`);
    this.name = "MessageTooLarge";
  }
}

/** The status that a refused request gets; undefined if the client is gone. */
function refusalOf(error: unknown): { code: number; message: string } | undefined {
  if (error instanceof JsonError) {
    return { code: StatusCode.INVALID_ARGUMENT, message: error.message };
  }
  if (error instanceof MessageTooLarge || error instanceof HttpBodyTooLarge) {
    return { code: StatusCode.RESOURCE_EXHAUSTED, message: error.message };
  }
  return undefined;
}

/** Binary metadata that is no base64. */
function metadataProblem({ headers }: HttpRequest): string | undefined {
  for (const name in headers) {
    if (!name.startsWith("grpc-metadata-") || !name.endsWith("-bin")) continue;
    const fault = base64Fault(headers[name] ?? "");
    if (fault < 0) continue;
    const shown = name.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase());
    return `invalid binary header ${shown}: illegal base64 data at input byte ${fault}`;
  }
  return undefined;
}

/** Forms may ask for another method by header; there is no other that the gateway serves. */
function effectiveMethod(request: HttpRequest): string {
  const override = request.headers["x-http-method-override"];
  const isForm = request.headers["content-type"] === "application/x-www-form-urlencoded";
  if (request.method !== "POST" || override === undefined || override === "" || !isForm) {
    return request.method;
  }
  return override.toUpperCase();
}
