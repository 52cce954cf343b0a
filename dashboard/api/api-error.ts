/** What went wrong with a request, in the kinds that a page treats differently. */

export type FailureKind =
  /** Nobody answered: the member is down, or the way to it. */
  | "unreachable"
  /** The caller must log in (again). */
  | "login"
  /** The user may not do that. */
  | "denied"
  /** The member answered that it cannot. */
  | "refused";

/** Codes of gRPC that the API passes on. */
const INVALID_ARGUMENT = 3;
const PERMISSION_DENIED = 7;
const UNAUTHENTICATED = 16;

/** Texts of etcd with code INVALID_ARGUMENT that a new login mends. */
const LOGIN_TEXTS: readonly string[] = [
  "etcdserver: user name is empty",
  "etcdserver: revision of auth store is old",
];

export class ApiError extends Error {
  readonly kind: FailureKind;
  /** Of gRPC; 0 where nobody answered. */
  readonly code: number;

  constructor(kind: FailureKind, message: string, code = 0) {
    super(message);
    this.name = "ApiError";
    this.kind = kind;
    this.code = code;
  }
}

/** Of a proxy that does not reach the member: bad gateway, unavailable, gateway timeout. */
const PROXY_STATUSES: readonly number[] = [502, 503, 504];

/** From the body of a refusal: `{"code":7,"message":"etcdserver: permission denied"}`, or any text. */
export function refusalOf(status: number, body: string): ApiError {
  const { code, message } = parsed(body);
  if (code === 0 && PROXY_STATUSES.includes(status)) {
    return new ApiError("unreachable", `a proxy does not reach the member (status ${status})`);
  }
  return new ApiError(kindOf(code, message), message || `HTTP status ${status}`, code);
}

function kindOf(code: number, message: string): FailureKind {
  if (code === UNAUTHENTICATED) return "login";
  if (code === INVALID_ARGUMENT && LOGIN_TEXTS.includes(message)) return "login";
  return code === PERMISSION_DENIED ? "denied" : "refused";
}

function parsed(body: string): { readonly code: number; readonly message: string } {
  try {
    const value = JSON.parse(body) as { code?: unknown; message?: unknown } | null;
    const { code, message } = value ?? {};
    return {
      code: typeof code === "number" ? code : 0,
      message: typeof message === "string" ? message : "",
    };
  } catch {
    return { code: 0, message: body.trim() };
  }
}

export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError("refused", error instanceof Error ? error.message : String(error));
}

/** For people: without etcd's prefix. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/^etcdserver: /, "");
}
