/**
 * What a request head means to gRPC. Derived once per distinct header block and kept in its
 * `interpretation`, since clients send the same block again and again.
 */
import { base64Fault } from "../../base/base64.ts";
import { parseTimeout, SHORTEST_TIMEOUT_MS } from "../../base/grpc-timeout.ts";
import type { HeaderBlock } from "../http2/header-block.ts";
import {
  FIELD_CONTENT_TYPE,
  FIELD_GRPC_ENCODING,
  FIELD_GRPC_TIMEOUT,
  type HeaderField,
} from "../http2/header-field.ts";
import type { MethodRow, MethodTable } from "./method-table.ts";
import { DEADLINE_EXCEEDED, INTERNAL, OK, UNIMPLEMENTED } from "./status.ts";

/** Content types that an answer repeats. */
const SUBTYPE = /^application\/grpc\+[a-z0-9.-]{1,32}$/;

export class GrpcRequestHead {
  readonly block: HeaderBlock;
  /** Undefined when `problemCode` is not OK. */
  readonly row: MethodRow | undefined;
  /** Infinity without a deadline. */
  readonly timeoutMs: number;
  /** `grpc-encoding`, or "identity". */
  readonly encoding: string;
  /** What the answer's content-type repeats. */
  readonly contentType: string;
  readonly problemCode: number;
  readonly problem: string;
  /** 200 unless HTTP itself is misused. */
  readonly httpStatus: number;

  constructor(block: HeaderBlock, methods: MethodTable) {
    let timeoutMs = Number.POSITIVE_INFINITY;
    let encoding = "identity";
    let contentType = "application/grpc";
    let code = OK;
    let problem = "";
    let malformed = "";
    let httpStatus = 200;
    for (const field of block.fields) {
      if (field.kind === FIELD_CONTENT_TYPE) {
        if (field.value !== contentType && SUBTYPE.test(field.value)) contentType = field.value;
      } else if (field.kind === FIELD_GRPC_ENCODING) {
        encoding = field.value;
      } else if (field.kind === FIELD_GRPC_TIMEOUT) {
        const parsed = parseTimeout(field.value);
        if (typeof parsed === "number") timeoutMs = parsed;
        else malformed = `malformed grpc-timeout: ${parsed}`;
      } else if (field.name.endsWith("-bin")) {
        malformed = binaryProblem(field) ?? malformed;
      }
    }
    if (block.hostCount > 1) malformed = hostProblem(block);
    if (malformed !== "") {
      code = INTERNAL;
      problem = malformed;
      httpStatus = 400;
    }
    if (code === OK && block.method !== "POST") {
      code = INTERNAL;
      problem = `Received a HEADERS frame with :method ${JSON.stringify(block.method)} which should be POST`;
      httpStatus = 405;
    }
    if (code === OK && timeoutMs < SHORTEST_TIMEOUT_MS) {
      code = DEADLINE_EXCEEDED;
      problem = "context deadline exceeded";
    }
    const row = code === OK ? methods.find(block.path) : undefined;
    if (code === OK && row === undefined) {
      code = UNIMPLEMENTED;
      problem = methods.unknownText(block.path);
    } else if (code === OK && encoding !== "identity" && encoding !== "gzip") {
      code = UNIMPLEMENTED;
      problem = `grpc: Decompressor is not installed for grpc-encoding ${JSON.stringify(encoding)}`;
    }
    this.block = block;
    this.row = row;
    this.timeoutMs = timeoutMs;
    this.encoding = encoding;
    this.contentType = contentType;
    this.problemCode = code;
    this.problem = problem;
    this.httpStatus = httpStatus;
  }
}

function binaryProblem({ name, value }: HeaderField): string | undefined {
  const fault = base64Fault(value);
  if (fault < 0) return undefined;
  const reason = `illegal base64 data at input byte ${fault}`;
  return `malformed binary metadata ${JSON.stringify(value)} in header ${JSON.stringify(name)}: ${reason}`;
}

function hostProblem({ authorityCount, hostCount }: HeaderBlock): string {
  const counts = `num values of :authority: ${authorityCount}, num values of host: ${hostCount}`;
  return `${counts}, both must only have 1 value as per HTTP/2 spec`;
}

/** "application/grpc", alone or followed by "+" or ";". */
export function isGrpcContentType(value: string | undefined): boolean {
  if (value === undefined || !value.startsWith("application/grpc")) return false;
  const next = value.charAt(16);
  return next === "" || next === "+" || next === ";";
}

/** Value of a metadata key; binary ones are decoded to latin1. */
export function metadataValue(block: HeaderBlock, key: string): string | undefined {
  const value = block.get(key);
  if (value === undefined || !key.endsWith("-bin")) return value;
  return Buffer.from(value, "base64").toString("latin1");
}
