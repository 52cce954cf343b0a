/**
 * The span of one call, and those below it. Names and attributes of a call's span are those that
 * etcd's gRPC instrumentation gives it; what was done for the call has plain names and no attributes.
 */
import { StatusCode } from "../api/errors.ts";
import {
  type KeyValue,
  Span,
  Span_SpanKind,
  SpanLink,
  SpanStatus,
  SpanStatus_StatusCode,
} from "../api/gen/trace.ts";
import { METHODS } from "../api/rpc-table.ts";
import { EMPTY_BYTES } from "../base/bytes.ts";
import type { CallSpan } from "../env/call-span.ts";
import type { Call } from "../env/rpc.ts";
import { numberAttribute, textAttribute } from "./attributes.ts";
import type { SpanIDs } from "./span-ids.ts";
import type { TraceContext } from "./trace-context.ts";
import type { UnixTime } from "./unix-time.ts";

/** Bits of `Span.flags`. */
export const SpanFlags = { SAMPLED: 0x1, PARENT_IS_KNOWN: 0x100, PARENT_IS_REMOTE: 0x200 } as const;

const OWN = SpanFlags.SAMPLED | SpanFlags.PARENT_IS_KNOWN;

/** Codes that say that the member has failed, not its client. */
const FAULTS: ReadonlySet<number> = new Set([
  StatusCode.UNKNOWN,
  StatusCode.DEADLINE_EXCEEDED,
  StatusCode.UNIMPLEMENTED,
  StatusCode.INTERNAL,
  StatusCode.UNAVAILABLE,
  StatusCode.DATA_LOSS,
]);

export interface Recorder {
  readonly ids: SpanIDs;
  readonly time: UnixTime;
  readonly sink: (span: Span) => void;
}

export class RecordedCall implements CallSpan {
  readonly #recorder: Recorder;
  readonly #method: number;
  readonly #remote: string;
  readonly #startMs: number;
  readonly #traceID: Uint8Array;
  readonly #spanID: Uint8Array;
  readonly #parent: TraceContext | undefined;

  constructor(
    recorder: Recorder,
    call: Call,
    startMs: number,
    traceID: Uint8Array,
    parent: TraceContext | undefined,
  ) {
    this.#recorder = recorder;
    this.#method = call.method;
    this.#remote = call.remote;
    this.#startMs = startMs;
    this.#traceID = traceID;
    this.#spanID = recorder.ids.newSpanID();
    this.#parent = parent;
  }

  child(name: string, startMs: number, endMs: number): void {
    const { ids, time, sink } = this.#recorder;
    sink(
      Span.create({
        traceId: this.#traceID,
        spanId: ids.newSpanID(),
        parentSpanId: this.#spanID,
        traceState: this.#parent?.state ?? "",
        name,
        kind: Span_SpanKind.INTERNAL,
        startTimeUnixNano: time.nanos(startMs),
        endTimeUnixNano: time.nanos(endMs),
        flags: OWN,
      }),
    );
  }

  end(endMs: number, code: number, message: string): void {
    const { time, sink } = this.#recorder;
    sink(
      Span.create({
        traceId: this.#traceID,
        spanId: this.#spanID,
        parentSpanId: this.#parent?.spanID ?? EMPTY_BYTES,
        traceState: this.#parent?.state ?? "",
        name: METHODS[this.#method]?.path.slice(1) ?? "",
        kind: Span_SpanKind.SERVER,
        startTimeUnixNano: time.nanos(this.#startMs),
        endTimeUnixNano: time.nanos(endMs),
        attributes: this.#attributes(code),
        status: FAULTS.has(code)
          ? SpanStatus.create({ code: SpanStatus_StatusCode.ERROR, message })
          : SpanStatus.create(),
        flags: this.#parent === undefined ? OWN : OWN | SpanFlags.PARENT_IS_REMOTE,
      }),
    );
  }

  link(): SpanLink {
    return SpanLink.create({
      traceId: this.#traceID,
      spanId: this.#spanID,
      traceState: this.#parent?.state ?? "",
      flags: OWN,
    });
  }

  #attributes(code: number): KeyValue[] {
    const method = METHODS[this.#method];
    return [
      textAttribute("rpc.service", method?.service ?? ""),
      textAttribute("rpc.method", method?.name ?? ""),
      textAttribute("rpc.system", "grpc"),
      ...peerAttributes(this.#remote),
      numberAttribute("rpc.grpc.status_code", code),
    ];
  }
}

/** None for what is no IP address and port, such as a unix socket. */
function peerAttributes(remote: string): KeyValue[] {
  const match = /^\[?([\da-fA-F.:%\w]+?)\]?:(\d+)$/.exec(remote);
  if (match === null) return [];
  const [, address = "", port] = match;
  return [
    textAttribute("net.sock.peer.addr", address),
    numberAttribute("net.sock.peer.port", Number(port)),
  ];
}
