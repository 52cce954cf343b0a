/** The error classes of npm `etcd3`, and which of them an error of the client becomes. */
import { StatusCode } from "../api/errors.ts";
import { type ClientErrorKind, EtcdClientError } from "../client/index.ts";

/** Marks errors that another attempt may cure. */
export const RecoverableError: unique symbol = Symbol("RecoverableError");

export const isRecoverableError = (error: Error): boolean => RecoverableError in error;

/** Something that should not happen in this library. */
export class ClientRuntimeError extends Error {}

export class ClientClosedError extends Error {
  constructor(service: string) {
    super(`Tried to call a ${service} method on etcd3, but the client was already closed`);
  }
}

export class GRPCGenericError extends Error {}
class Recoverable extends GRPCGenericError {
  readonly [RecoverableError] = true;
}
export class GRPCProtocolError extends GRPCGenericError {}
export class GRPCInternalError extends Recoverable {}
export class GRPCCancelledError extends Recoverable {}
export class GRPCUnknownError extends Recoverable {}
export class GRPCInvalidArgumentError extends GRPCGenericError {}
export class GRPCDeadlineExceededError extends Recoverable {}
export class GRPCNotFoundError extends GRPCGenericError {}
export class GRPCAlreadyExistsError extends GRPCGenericError {}
/** Spelled as in npm `etcd3`. */
export class GRPCResourceExhastedError extends Recoverable {}
export class GRPCFailedPreconditionError extends GRPCGenericError {}
export class GRPCAbortedError extends Recoverable {}
export class GRPCNotImplementedError extends GRPCGenericError {}
export class GRPCOutOfRangeError extends GRPCGenericError {}
export class GRPCDataLossError extends GRPCGenericError {}
export class GRPCUnavailableError extends Recoverable {}
export class GRPCUnauthenticatedError extends GRPCGenericError {}

/** An error of etcd that has no class of its own. */
export class EtcdError extends Error {}
export class EtcdLeaseInvalidError extends Error {
  constructor(leaseID: string) {
    super(`Lease ${leaseID} is expired or revoked`);
  }
}
export class EtcdRoleExistsError extends Error {}
export class EtcdUserExistsError extends Error {}
export class EtcdRoleNotGrantedError extends Error {}
export class EtcdRoleNotFoundError extends Error {}
export class EtcdUserNotFoundError extends Error {}
export class EtcdLockFailedError extends Error {}
export class EtcdAuthenticationFailedError extends Error {}
export class EtcdInvalidAuthTokenError extends Error {}
export class EtcdPermissionDeniedError extends Error {}
export class EtcdWatchStreamEnded extends Error {
  constructor() {
    super("The etcd watch stream was unexpectedly ended");
  }
}
export class NotCampaigningError extends Error {}
export class STMConflictError extends Error {
  constructor() {
    super("A conflict occurred executing the software transaction");
  }
}

type ErrorClass = new (message: string) => Error;

const CLASS_OF_KIND: Partial<Record<ClientErrorKind, ErrorClass>> = {
  roleExists: EtcdRoleExistsError,
  userExists: EtcdUserExistsError,
  roleNotGranted: EtcdRoleNotGrantedError,
  roleNotFound: EtcdRoleNotFoundError,
  userNotFound: EtcdUserNotFoundError,
  authFailed: EtcdAuthenticationFailedError,
  permissionDenied: EtcdPermissionDeniedError,
  invalidAuthToken: EtcdInvalidAuthTokenError,
  leaseNotFound: EtcdLeaseInvalidError,
  leaseLost: EtcdLeaseInvalidError,
};

const CLASS_OF_CODE: Readonly<Record<number, ErrorClass>> = {
  [StatusCode.CANCELLED]: GRPCCancelledError,
  [StatusCode.UNKNOWN]: GRPCUnknownError,
  [StatusCode.INVALID_ARGUMENT]: GRPCInvalidArgumentError,
  [StatusCode.DEADLINE_EXCEEDED]: GRPCDeadlineExceededError,
  [StatusCode.NOT_FOUND]: GRPCNotFoundError,
  [StatusCode.ALREADY_EXISTS]: GRPCAlreadyExistsError,
  [StatusCode.PERMISSION_DENIED]: EtcdPermissionDeniedError,
  [StatusCode.RESOURCE_EXHAUSTED]: GRPCResourceExhastedError,
  [StatusCode.FAILED_PRECONDITION]: GRPCFailedPreconditionError,
  [StatusCode.ABORTED]: GRPCAbortedError,
  [StatusCode.OUT_OF_RANGE]: GRPCOutOfRangeError,
  [StatusCode.UNIMPLEMENTED]: GRPCNotImplementedError,
  [StatusCode.INTERNAL]: GRPCInternalError,
  [StatusCode.UNAVAILABLE]: GRPCUnavailableError,
  [StatusCode.DATA_LOSS]: GRPCDataLossError,
  [StatusCode.UNAUTHENTICATED]: GRPCUnauthenticatedError,
};

/**
 * An error of the client in its class here, with `cause` set to it; other errors as they are.
 * `service` names who was called on a closed client.
 */
export function castError(error: unknown, service = "etcd"): Error {
  if (!(error instanceof EtcdClientError)) {
    return error instanceof Error ? error : new GRPCGenericError(String(error));
  }
  const cast = typed(error, service);
  return Object.assign(cast, { code: error.code, details: error.message, cause: error });
}

function typed(error: EtcdClientError, service: string): Error {
  if (error.kind === "clientClosed") return new ClientClosedError(service);
  const known = CLASS_OF_KIND[error.kind] ?? CLASS_OF_CODE[error.code] ?? EtcdError;
  // A class that words its own message keeps the server's here.
  return Object.assign(new known(error.message), { message: error.message });
}
