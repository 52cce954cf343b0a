/**
 * Requests of users, keys and leases as plain data, their bytes, and their answers as short texts,
 * so that a model, a member and another etcd can be compared answer by answer.
 */
import {
  AuthDisableRequest,
  AuthEnableRequest,
  AuthenticateRequest,
  AuthenticateResponse,
  AuthRoleAddRequest,
  AuthRoleDeleteRequest,
  AuthRoleGetRequest,
  AuthRoleGetResponse,
  AuthRoleGrantPermissionRequest,
  AuthRoleListRequest,
  AuthRoleListResponse,
  AuthRoleRevokePermissionRequest,
  AuthStatusRequest,
  AuthStatusResponse,
  AuthUserAddRequest,
  AuthUserChangePasswordRequest,
  AuthUserDeleteRequest,
  AuthUserGetRequest,
  AuthUserGetResponse,
  AuthUserGrantRoleRequest,
  AuthUserListRequest,
  AuthUserListResponse,
  AuthUserRevokeRoleRequest,
  Compare,
  Compare_CompareResult,
  Compare_CompareTarget,
  DeleteRangeRequest,
  type DeleteRangeResponse,
  LeaseGrantRequest,
  LeaseLeasesRequest,
  LeaseLeasesResponse,
  LeaseRevokeRequest,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
  PutRequest,
  type PutResponse,
  RangeRequest,
  type RangeResponse,
  type RequestOp,
  type ResponseHeader,
  TxnRequest,
  type TxnResponse,
} from "../../api/gen/rpc.ts";
import { METHOD, METHODS } from "../../api/rpc-table.ts";
import { bytesFromLatin1, latin1FromBytes } from "../../base/bytes.ts";
import type { AuthChange } from "../../auth/testing/auth-model.ts";

/** Keys and ends are latin1. */
export type KeyOperation =
  | { readonly kind: "put"; readonly key: string; readonly lease: bigint; readonly prev: boolean }
  | { readonly kind: "range"; readonly key: string; readonly end: string }
  | {
      readonly kind: "delete";
      readonly key: string;
      readonly end: string;
      readonly prev: boolean;
    }
  | ({ readonly kind: "txn" } & Txn);

export interface Txn {
  /** Whether every key of the range is there, or none. */
  readonly compare: readonly {
    readonly key: string;
    readonly end: string;
    readonly isThere: boolean;
  }[];
  readonly success: readonly KeyOperation[];
  readonly failure: readonly KeyOperation[];
}

export type AuthRequest =
  | { readonly kind: "change"; readonly change: AuthChange }
  | { readonly kind: "login"; readonly name: string; readonly password: string }
  | { readonly kind: "status" }
  | { readonly kind: "userGet"; readonly name: string }
  | { readonly kind: "userList" }
  | { readonly kind: "roleGet"; readonly name: string }
  | { readonly kind: "roleList" }
  | { readonly kind: "serializable"; readonly key: string; readonly end: string }
  | KeyOperation
  | { readonly kind: "leaseGrant"; readonly lease: bigint }
  | { readonly kind: "leaseRevoke"; readonly lease: bigint }
  | { readonly kind: "leaseShow"; readonly lease: bigint; readonly keys: boolean }
  | { readonly kind: "leaseList" };

export interface EncodedRequest {
  readonly method: number;
  readonly body: Uint8Array;
}

/** Longer than any history takes. */
export const LEASE_TTL_SECONDS = 1000;

export function encodeRequest(request: AuthRequest): EncodedRequest {
  switch (request.kind) {
    case "change":
      return encodeChange(request.change);
    case "login":
      return of(METHOD.Authenticate, AuthenticateRequest.encode(request));
    case "status":
      return of(METHOD.AuthStatus, AuthStatusRequest.encode({}));
    case "userGet":
      return of(METHOD.UserGet, AuthUserGetRequest.encode(request));
    case "userList":
      return of(METHOD.UserList, AuthUserListRequest.encode({}));
    case "roleGet":
      return of(METHOD.RoleGet, AuthRoleGetRequest.encode({ role: request.name }));
    case "roleList":
      return of(METHOD.RoleList, AuthRoleListRequest.encode({}));
    case "serializable": {
      const { key, end } = request;
      return of(METHOD.Range, RangeRequest.encode({ ...rangeOf(key, end), serializable: true }));
    }
    case "leaseGrant":
      return of(
        METHOD.LeaseGrant,
        LeaseGrantRequest.encode({ ID: request.lease, TTL: LEASE_TTL_SECONDS }),
      );
    case "leaseRevoke":
      return of(METHOD.LeaseRevoke, LeaseRevokeRequest.encode({ ID: request.lease }));
    case "leaseShow": {
      const { lease: ID, keys } = request;
      return of(METHOD.LeaseTimeToLive, LeaseTimeToLiveRequest.encode({ ID, keys }));
    }
    case "leaseList":
      return of(METHOD.LeaseLeases, LeaseLeasesRequest.encode({}));
    default:
      return encodeOperation(request);
  }
}

function of(method: number, body: Uint8Array): EncodedRequest {
  return { method, body };
}

function encodeChange(change: AuthChange): EncodedRequest {
  switch (change.kind) {
    case "enable":
      return of(METHOD.AuthEnable, AuthEnableRequest.encode({}));
    case "disable":
      return of(METHOD.AuthDisable, AuthDisableRequest.encode({}));
    case "userAdd": {
      const { name, password = "" } = change;
      const options = { noPassword: change.password === undefined };
      const request = AuthUserAddRequest.create({ name, password, options });
      return of(METHOD.UserAdd, AuthUserAddRequest.encode(request));
    }
    case "userDelete":
      return of(METHOD.UserDelete, AuthUserDeleteRequest.encode(change));
    case "userPassword": {
      const request = AuthUserChangePasswordRequest.create(change);
      return of(METHOD.UserChangePassword, AuthUserChangePasswordRequest.encode(request));
    }
    case "userGrant": {
      const { name: user, role } = change;
      return of(METHOD.UserGrantRole, AuthUserGrantRoleRequest.encode({ user, role }));
    }
    case "userRevoke":
      return of(METHOD.UserRevokeRole, AuthUserRevokeRoleRequest.encode(change));
    case "roleAdd":
      return of(METHOD.RoleAdd, AuthRoleAddRequest.encode(change));
    case "roleDelete":
      return of(METHOD.RoleDelete, AuthRoleDeleteRequest.encode({ role: change.name }));
    case "roleGrant": {
      const { type: permType, key, end } = change.permission;
      const perm = { permType, key: bytesFromLatin1(key), rangeEnd: bytesFromLatin1(end) };
      const request = AuthRoleGrantPermissionRequest.create({ name: change.name, perm });
      return of(METHOD.RoleGrantPermission, AuthRoleGrantPermissionRequest.encode(request));
    }
    case "roleRevoke": {
      const { name: role } = change;
      const [key, rangeEnd] = [bytesFromLatin1(change.key), bytesFromLatin1(change.end)];
      const request = AuthRoleRevokePermissionRequest.create({ role, key, rangeEnd });
      return of(METHOD.RoleRevokePermission, AuthRoleRevokePermissionRequest.encode(request));
    }
  }
}

function encodeOperation(operation: KeyOperation): EncodedRequest {
  const { request } = operationOf(operation);
  switch (request?.case) {
    case "requestPut":
      return of(METHOD.Put, PutRequest.encode(request.value));
    case "requestRange":
      return of(METHOD.Range, RangeRequest.encode(request.value));
    case "requestDeleteRange":
      return of(METHOD.DeleteRange, DeleteRangeRequest.encode(request.value));
    case "requestTxn":
      return of(METHOD.Txn, TxnRequest.encode(request.value));
    default:
      throw new Error(`no operation: ${operation.kind}`);
  }
}

function rangeOf(key: string, end: string): RangeRequest {
  return RangeRequest.create({ key: bytesFromLatin1(key), rangeEnd: bytesFromLatin1(end) });
}

function operationOf(operation: KeyOperation): RequestOp {
  switch (operation.kind) {
    case "put": {
      const { lease, prev: prevKv } = operation;
      const value = PutRequest.create({ key: bytesFromLatin1(operation.key), lease, prevKv });
      return { request: { case: "requestPut", value } };
    }
    case "range":
      return { request: { case: "requestRange", value: rangeOf(operation.key, operation.end) } };
    case "delete": {
      const { prev: prevKv } = operation;
      const [key, rangeEnd] = [bytesFromLatin1(operation.key), bytesFromLatin1(operation.end)];
      const value = DeleteRangeRequest.create({ key, rangeEnd, prevKv });
      return { request: { case: "requestDeleteRange", value } };
    }
    case "txn": {
      const value = TxnRequest.create({
        compare: operation.compare.map(compareOf),
        success: operation.success.map(operationOf),
        failure: operation.failure.map(operationOf),
      });
      return { request: { case: "requestTxn", value } };
    }
  }
}

function compareOf({ key, end, isThere }: Txn["compare"][number]): Compare {
  return Compare.create({
    key: bytesFromLatin1(key),
    rangeEnd: bytesFromLatin1(end),
    target: Compare_CompareTarget.VERSION,
    result: isThere ? Compare_CompareResult.GREATER : Compare_CompareResult.EQUAL,
    targetUnion: { case: "version", value: 0 },
  });
}

/** The text of an answer: its revision, and what the model can say of it. */
export function describeAnswer(request: AuthRequest, body: Uint8Array): string {
  const { method } = encodeRequest(request);
  const answer = METHODS[method]?.response.decode(body) as { header?: ResponseHeader };
  const { kind } = request;
  const at = kind === "leaseShow" || kind === "leaseList" ? "" : `${answer.header?.revision} `;
  return `${at}${contentOf(request, body, answer)}`.trimEnd();
}

function contentOf(request: AuthRequest, body: Uint8Array, answer: unknown): string {
  switch (request.kind) {
    case "status": {
      const { enabled, authRevision } = AuthStatusResponse.decode(body);
      return `${enabled} ${authRevision}`;
    }
    case "userGet":
      return AuthUserGetResponse.decode(body).roles.join(",");
    case "userList":
      return AuthUserListResponse.decode(body).users.join(",");
    case "roleGet":
      return AuthRoleGetResponse.decode(body)
        .perm.map((one) =>
          permissionText(one.permType, latin1FromBytes(one.key), latin1FromBytes(one.rangeEnd)),
        )
        .join(",");
    case "roleList":
      return AuthRoleListResponse.decode(body).roles.join(",");
    case "leaseShow": {
      const { TTL, keys } = LeaseTimeToLiveResponse.decode(body);
      return `${TTL > 0 ? "lives" : TTL} ${keysText(keys.map(latin1FromBytes))}`;
    }
    case "leaseList": {
      const { leases } = LeaseLeasesResponse.decode(body);
      return leases
        .map(({ ID }) => String(ID))
        .sort()
        .join(",");
    }
    case "serializable":
      return operationText({ kind: "range" }, answer);
    case "put":
    case "range":
    case "delete":
    case "txn":
      return operationText(request, answer);
    default:
      return "";
  }
}

function operationText({ kind }: { readonly kind: KeyOperation["kind"] }, answer: unknown): string {
  switch (kind) {
    case "put":
      return `put ${(answer as PutResponse).prevKv !== undefined}`;
    case "range": {
      const { kvs } = answer as RangeResponse;
      return `range ${keysText(kvs.map(({ key }) => latin1FromBytes(key)))}`;
    }
    case "delete": {
      const { deleted, prevKvs } = answer as DeleteRangeResponse;
      return `delete ${deleted} ${keysText(prevKvs.map(({ key }) => latin1FromBytes(key)))}`;
    }
    case "txn": {
      const { succeeded, responses } = answer as TxnResponse;
      const texts = responses.map(({ response }) => {
        const of = KIND_OF_RESPONSE[response?.case ?? "responseTxn"];
        return operationText({ kind: of }, response?.value);
      });
      return `txn ${succeeded} (${texts.join("; ")})`;
    }
  }
}

const KIND_OF_RESPONSE = {
  responsePut: "put",
  responseRange: "range",
  responseDeleteRange: "delete",
  responseTxn: "txn",
} as const;

export function keysText(keys: readonly string[]): string {
  return JSON.stringify([...keys].sort());
}

export function permissionText(type: number, key: string, end: string): string {
  return JSON.stringify([type, key, end]);
}

/** The token that a login was answered with. */
export function tokenOfLogin(body: Uint8Array): string {
  return AuthenticateResponse.decode(body).token;
}
