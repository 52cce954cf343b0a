/**
 * Every error a client can see, with etcd 3.6's gRPC code and exact text. Clients match on both,
 * so neither may change. Code inside the product switches on `kind`.
 */

/** Status codes of the gRPC specification. */
export const StatusCode = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

const {
  CANCELLED,
  UNKNOWN,
  INVALID_ARGUMENT,
  DEADLINE_EXCEEDED,
  NOT_FOUND,
  PERMISSION_DENIED,
  RESOURCE_EXHAUSTED,
  FAILED_PRECONDITION,
  OUT_OF_RANGE,
  UNAVAILABLE,
  DATA_LOSS,
  UNAUTHENTICATED,
} = StatusCode;

interface ErrorRow {
  readonly code: number;
  readonly message: string;
}

function row(code: number, message: string): ErrorRow {
  return { code, message };
}

/** Errors by stable kind. */
export const ERRORS = {
  emptyKey: row(INVALID_ARGUMENT, "etcdserver: key is not provided"),
  keyNotFound: row(INVALID_ARGUMENT, "etcdserver: key not found"),
  valueProvided: row(INVALID_ARGUMENT, "etcdserver: value is provided"),
  leaseProvided: row(INVALID_ARGUMENT, "etcdserver: lease is provided"),
  tooManyOps: row(INVALID_ARGUMENT, "etcdserver: too many operations in txn request"),
  duplicateKey: row(INVALID_ARGUMENT, "etcdserver: duplicate key given in txn request"),
  invalidClientAPIVersion: row(INVALID_ARGUMENT, "etcdserver: invalid client api version"),
  invalidSortOption: row(INVALID_ARGUMENT, "etcdserver: invalid sort option"),
  compacted: row(OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted"),
  futureRevision: row(OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision"),
  noSpace: row(RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded"),

  leaseNotFound: row(NOT_FOUND, "etcdserver: requested lease not found"),
  leaseExists: row(FAILED_PRECONDITION, "etcdserver: lease already exists"),
  leaseTTLTooLarge: row(OUT_OF_RANGE, "etcdserver: too large lease TTL"),
  /** Not translated by etcd: the bare text of its lessor. */
  notPrimaryLessor: row(UNKNOWN, "not a primary lessor"),

  watchCanceled: row(CANCELLED, "etcdserver: watch canceled"),

  memberExists: row(FAILED_PRECONDITION, "etcdserver: member ID already exist"),
  peerURLExists: row(FAILED_PRECONDITION, "etcdserver: Peer URLs already exists"),
  /** etcd maps it to its client-side error type, which has no gRPC status on the wire. */
  memberNotEnoughStarted: row(
    UNKNOWN,
    "etcdserver: re-configuration failed due to not enough started members",
  ),
  memberBadURLs: row(INVALID_ARGUMENT, "etcdserver: given member URLs are invalid"),
  memberNotFound: row(NOT_FOUND, "etcdserver: member not found"),
  memberNotLearner: row(FAILED_PRECONDITION, "etcdserver: can only promote a learner member"),
  learnerNotReady: row(
    FAILED_PRECONDITION,
    "etcdserver: can only promote a learner member which is in sync with leader",
  ),
  tooManyLearners: row(FAILED_PRECONDITION, "etcdserver: too many learner members in cluster"),
  clusterIDMismatch: row(FAILED_PRECONDITION, "etcdserver: cluster ID mismatch"),

  requestTooLarge: row(INVALID_ARGUMENT, "etcdserver: request is too large"),
  /** As `memberNotEnoughStarted`: no gRPC status on the wire. */
  tooManyRequests: row(UNKNOWN, "etcdserver: too many requests"),

  rootUserNotExist: row(FAILED_PRECONDITION, "etcdserver: root user does not exist"),
  rootRoleNotExist: row(FAILED_PRECONDITION, "etcdserver: root user does not have root role"),
  userExists: row(FAILED_PRECONDITION, "etcdserver: user name already exists"),
  userEmpty: row(INVALID_ARGUMENT, "etcdserver: user name is empty"),
  userNotFound: row(FAILED_PRECONDITION, "etcdserver: user name not found"),
  roleExists: row(FAILED_PRECONDITION, "etcdserver: role name already exists"),
  roleNotFound: row(FAILED_PRECONDITION, "etcdserver: role name not found"),
  roleEmpty: row(INVALID_ARGUMENT, "etcdserver: role name is empty"),
  authFailed: row(
    INVALID_ARGUMENT,
    "etcdserver: authentication failed, invalid user ID or password",
  ),
  permissionNotGiven: row(INVALID_ARGUMENT, "etcdserver: permission not given"),
  permissionDenied: row(PERMISSION_DENIED, "etcdserver: permission denied"),
  roleNotGranted: row(FAILED_PRECONDITION, "etcdserver: role is not granted to the user"),
  permissionNotGranted: row(
    FAILED_PRECONDITION,
    "etcdserver: permission is not granted to the role",
  ),
  authNotEnabled: row(FAILED_PRECONDITION, "etcdserver: authentication is not enabled"),
  invalidAuthToken: row(UNAUTHENTICATED, "etcdserver: invalid auth token"),
  invalidAuthManagement: row(INVALID_ARGUMENT, "etcdserver: invalid auth management"),
  authOldRevision: row(INVALID_ARGUMENT, "etcdserver: revision of auth store is old"),
  /** The next two are not translated by etcd. */
  noPasswordUser: row(
    UNKNOWN,
    "auth: authentication failed, password was given for no password user",
  ),
  authVerifyOnly: row(UNKNOWN, "auth: token signing attempted with verify-only key"),

  noLeader: row(UNAVAILABLE, "etcdserver: no leader"),
  notLeader: row(FAILED_PRECONDITION, "etcdserver: not leader"),
  leaderChanged: row(UNAVAILABLE, "etcdserver: leader changed"),
  notCapable: row(FAILED_PRECONDITION, "etcdserver: not capable"),
  stopped: row(UNAVAILABLE, "etcdserver: server stopped"),
  timeout: row(UNAVAILABLE, "etcdserver: request timed out"),
  timeoutDueToLeaderFail: row(
    UNAVAILABLE,
    "etcdserver: request timed out, possibly due to previous leader failure",
  ),
  timeoutDueToConnectionLost: row(
    UNAVAILABLE,
    "etcdserver: request timed out, possibly due to connection lost",
  ),
  timeoutWaitAppliedIndex: row(
    UNAVAILABLE,
    "etcdserver: request timed out, waiting for the applied index took too long",
  ),
  /** Not translated by etcd. */
  timeoutLeaderTransfer: row(
    UNKNOWN,
    "etcdserver: request timed out, leader transfer took too long",
  ),
  unhealthy: row(UNAVAILABLE, "etcdserver: unhealthy cluster"),
  corrupt: row(DATA_LOSS, "etcdserver: corrupt cluster"),
  notSupportedForLearner: row(FAILED_PRECONDITION, "etcdserver: rpc not supported for learner"),
  badLeaderTransferee: row(FAILED_PRECONDITION, "etcdserver: bad leader transferee"),

  clusterVersionUnavailable: row(
    FAILED_PRECONDITION,
    "etcdserver: cluster version not found during downgrade",
  ),
  wrongDowngradeVersionFormat: row(
    INVALID_ARGUMENT,
    "etcdserver: wrong downgrade target version format",
  ),
  invalidDowngradeTargetVersion: row(
    INVALID_ARGUMENT,
    "etcdserver: invalid downgrade target version",
  ),
  downgradeInProcess: row(
    FAILED_PRECONDITION,
    "etcdserver: cluster has a downgrade job in progress",
  ),
  noInflightDowngrade: row(FAILED_PRECONDITION, "etcdserver: no inflight downgrade job"),

  canceled: row(CANCELLED, "etcdserver: request canceled"),
  deadlineExceeded: row(DEADLINE_EXCEEDED, "etcdserver: context deadline exceeded"),
  /** A proposal whose caller has gone; etcd's internal spelling, not translated. */
  proposalCancelled: row(UNKNOWN, "etcdserver: request cancelled"),
  /** Cancellation noticed outside a proposal: the gRPC library's own words. */
  contextCanceled: row(CANCELLED, "context canceled"),
  contextDeadlineExceeded: row(DEADLINE_EXCEEDED, "context deadline exceeded"),
  unknownMethod: row(UNKNOWN, "etcdserver: unknown method"),
} as const satisfies Record<string, ErrorRow>;

export type ErrorKind = keyof typeof ERRORS;

/** An error that reaches a client as a gRPC status. Carries no stack: it is an answer, not a bug. */
export class StatusError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(message);
    Error.stackTraceLimit = limit;
    this.name = "StatusError";
    this.code = code;
  }
}

/** One of etcd's own errors. `details` is for logs and tests; clients see code and message only. */
export class EtcdError extends StatusError {
  readonly kind: ErrorKind;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(kind: ErrorKind, details?: Readonly<Record<string, unknown>>) {
    const { code, message } = ERRORS[kind];
    super(code, message);
    this.name = "EtcdError";
    this.kind = kind;
    this.details = details;
  }
}

/** True if `error` is an `EtcdError` of this kind. */
export function isEtcdError(error: unknown, kind: ErrorKind): error is EtcdError {
  return error instanceof EtcdError && error.kind === kind;
}

/** As Go prints a gRPC error; stands in `cancel_reason` of watch responses. */
export function formatStatus(code: number, message: string): string {
  return `rpc error: code = ${codeName(code)} desc = ${message}`;
}

/** Go's name of a gRPC status code, such as "DeadlineExceeded"; also in metric labels. */
export function codeName(code: number): string {
  return CODE_NAMES[code] ?? `Code(${code})`;
}

/** By number. */
const CODE_NAMES: readonly string[] = [
  "OK",
  "Canceled",
  "Unknown",
  "InvalidArgument",
  "DeadlineExceeded",
  "NotFound",
  "AlreadyExists",
  "PermissionDenied",
  "ResourceExhausted",
  "FailedPrecondition",
  "Aborted",
  "OutOfRange",
  "Unimplemented",
  "Internal",
  "Unavailable",
  "DataLoss",
  "Unauthenticated",
];
