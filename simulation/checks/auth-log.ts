/**
 * What the log says of users and rights, by the model of them, and whether all members,
 * answers and records agree with it: each entry is refused exactly where the model refuses it, no
 * read is answered whose user had no right at any moment of it, nothing acknowledged is lost.
 */
import type { ErrorKind } from "../../src/api/errors.ts";
import type {
  AuthRoleGrantPermissionRequest,
  AuthRoleRevokePermissionRequest,
  AuthUserAddRequest,
  AuthUserGrantRoleRequest,
  AuthUserRevokeRoleRequest,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
} from "../../src/api/gen/rpc.ts";
import type { Identity } from "../../src/auth/index.ts";
import { type AuthChange, AuthModel } from "../../src/auth/testing/auth-model.ts";
import { latin1FromBytes } from "../../src/base/bytes.ts";
import type { Index } from "../../src/base/ids.ts";
import type { EtcdServer } from "../../src/server/index.ts";
import type { AppliedRequest } from "../../src/server/apply/applier.ts";
import { RaftField } from "../../src/server/log/raft-request.ts";
import type { Operation, Time } from "../../src/checkers/history.ts";
import { AUTH_BOUNDS } from "../clients/auth-operator.ts";

/** What a change or a lack of rights is refused with; other refusals are not about users. */
const AUTH_REFUSALS: ReadonlySet<ErrorKind> = new Set([
  "authFailed",
  "authNotEnabled",
  "authOldRevision",
  "invalidAuthManagement",
  "permissionDenied",
  "permissionNotGranted",
  "roleExists",
  "roleNotFound",
  "roleNotGranted",
  "rootRoleNotExist",
  "rootUserNotExist",
  "userEmpty",
  "userExists",
  "userNotFound",
]);

type Verdict = ErrorKind | undefined;

interface Version {
  /** When a member had first applied it. */
  readonly time: Time;
  readonly model: AuthModel;
}

export class AuthLog {
  readonly #model = new AuthModel(AUTH_BOUNDS);
  readonly #time: () => Time;
  /** More than one where it depends on what the log alone does not tell. */
  readonly #verdicts = new Map<Index, readonly Verdict[]>();
  readonly #versions: Version[] = [];
  #lastIndex: Index = 0;
  readonly #changed = new Map<string, number>();
  readonly #outcomes: {
    readonly index: Index;
    readonly member: string;
    readonly kind: Verdict;
  }[] = [];

  constructor(time: () => Time) {
    this.#time = time;
    this.#keepVersion();
  }

  /**
   * A member begins to apply the entry. Whoever is the first to apply one has applied those before,
   * or has received a database of one who has.
   */
  begins(index: Index, request: AppliedRequest): void {
    if (index <= this.#lastIndex) return;
    this.#lastIndex = index;
    this.#verdicts.set(index, this.#judge(request));
  }

  /** A member has applied the entry; undefined for no error. */
  applied(member: string, index: Index, kind: Verdict): void {
    this.#outcomes.push({ index, member, kind });
  }

  #judge({ field, request, identity }: AppliedRequest): readonly Verdict[] {
    const change = changeOf(field, request);
    if (change !== undefined) return [this.#change(change, identity)];
    switch (field) {
      case RaftField.authenticate: {
        if (!this.#model.enabled) return ["authNotEnabled"];
        const isKnown = this.#model.users.has((request as { name: string }).name);
        return [isKnown ? undefined : "authFailed"];
      }
      case RaftField.put:
        return [putVerdict(this.#model, identity, request as PutRequest)];
      case RaftField.deleteRange:
        return [deleteVerdict(this.#model, identity, request as DeleteRangeRequest)];
      case RaftField.txn:
        return [txnVerdict(this.#model, identity, request as TxnRequest)];
      case RaftField.leaseRevoke:
        // Who may not write is refused if the lease holds keys. Users revoke none here: it is
        // root, or nobody, when authentication was off at the door, and then all keys are alike.
        return [undefined, this.#model.access(identity, "write", "")];
      default:
        // Decided at the door.
        return [undefined];
    }
  }

  #change(change: AuthChange, identity: Identity): Verdict {
    const refusal = this.#model.admin(identity) ?? this.#model.change(change);
    if (refusal !== undefined) return refusal;
    const name = nameOf(change);
    this.#changed.set(name, (this.#changed.get(name) ?? 0) + 1);
    this.#keepVersion();
    return undefined;
  }

  #keepVersion(): void {
    this.#versions.push({ time: this.#time(), model: this.#model.copy() });
  }

  /** Judges all of a run. `userOf`: who a client is; undefined for root and for who stands apart. */
  judge(
    run: {
      readonly acknowledged: readonly AuthChange[];
      readonly operations: readonly Operation[];
      readonly userOf: (clientID: number) => string | undefined;
    },
    violated: (message: string) => void,
  ): void {
    for (const { index, member, kind } of this.#outcomes) {
      const found = kind !== undefined && AUTH_REFUSALS.has(kind) ? kind : undefined;
      const expected = this.#verdicts.get(index) ?? [undefined];
      if (expected.includes(found)) {
        // The others must make the same of it.
        this.#verdicts.set(index, [found]);
        continue;
      }
      const told = `${member} applied entry ${index}: ${found ?? "allowed"}`;
      violated(`${told}; the log says: ${expected[0] ?? "allowed"}`);
    }
    const left = new Map(this.#changed);
    for (const change of run.acknowledged) {
      const name = nameOf(change);
      const count = left.get(name) ?? 0;
      if (count === 0) violated(`acknowledged, but not in the log: ${name}`);
      left.set(name, count - 1);
    }
    for (const operation of run.operations) {
      const user = run.userOf(operation.clientID);
      if (user !== undefined) this.#judgeRead(operation, user, violated);
    }
  }

  #judgeRead(
    { request, outcome, callTime }: Operation,
    user: string,
    violated: (message: string) => void,
  ): void {
    if (request.kind !== "get" || outcome.kind !== "ok") return;
    const { key, end = "", serializable = false } = request;
    const { returnTime } = outcome;
    // A member that lags answers a serializable read by the rights that it knows.
    const first = serializable ? 0 : this.#versions.findLastIndex(({ time }) => time <= callTime);
    const within = this.#versions.slice(first).filter(({ time }) => time <= returnTime);
    const isAllowed = within.some(({ model }) => {
      const who = { username: user, authRevision: model.revision };
      return model.access(who, "read", key, end) === undefined;
    });
    if (!isAllowed) {
      const what = `${key} to ${end}, asked at ${callTime}, answered at ${returnTime}`;
      violated(`${user} was told what it may not read: ${what}`);
    }
  }

  /** At rest, when the member has applied everything. */
  compare(member: string, { auth: { store } }: EtcdServer): string | undefined {
    const { enabled, revision, users, roles } = this.#model;
    const expected = [enabled, revision, [...users].map(([name, { roles: has }]) => [name, has])];
    const found = [
      store.enabled,
      store.revision,
      [...users.keys()].map((name) => [name, store.user(name)?.roles]),
    ];
    const names = [store.userNames(), store.roleNames()];
    const expectedNames = [[...users.keys()].sort(), [...roles.keys()].sort()];
    const [one, other] = [
      [found, names],
      [expected, expectedNames],
    ].map((all) => JSON.stringify(all));
    return one === other ? undefined : `${member} has the users ${one}; the log says ${other}`;
  }
}

/** Passwords are not told apart: they are hashes in the log. */
function nameOf(change: AuthChange): string {
  return JSON.stringify({ ...change, password: undefined });
}

function changeOf(field: number, request: unknown): AuthChange | undefined {
  switch (field) {
    case RaftField.authEnable:
      return { kind: "enable" };
    case RaftField.authDisable:
      return { kind: "disable" };
    case RaftField.authUserAdd:
      return { kind: "userAdd", name: (request as AuthUserAddRequest).name, password: "" };
    case RaftField.authUserDelete:
      return { kind: "userDelete", name: (request as { name: string }).name };
    case RaftField.authUserChangePassword:
      return { kind: "userPassword", name: (request as { name: string }).name, password: "" };
    case RaftField.authUserGrantRole: {
      const { user: name, role } = request as AuthUserGrantRoleRequest;
      return { kind: "userGrant", name, role };
    }
    case RaftField.authUserRevokeRole: {
      const { name, role } = request as AuthUserRevokeRoleRequest;
      return { kind: "userRevoke", name, role };
    }
    case RaftField.authRoleAdd:
      return { kind: "roleAdd", name: (request as { name: string }).name };
    case RaftField.authRoleDelete:
      return { kind: "roleDelete", name: (request as { role: string }).role };
    case RaftField.authRoleGrantPermission: {
      const { name, perm } = request as AuthRoleGrantPermissionRequest;
      if (perm === undefined) return undefined;
      const [key, end] = [latin1FromBytes(perm.key), latin1FromBytes(perm.rangeEnd)];
      return { kind: "roleGrant", name, permission: { type: perm.permType, key, end } };
    }
    case RaftField.authRoleRevokePermission: {
      const { role: name, key, rangeEnd } = request as AuthRoleRevokePermissionRequest;
      const [begin, end] = [latin1FromBytes(key), latin1FromBytes(rangeEnd)];
      return { kind: "roleRevoke", name, key: begin, end };
    }
    default:
      return undefined;
  }
}

function accessVerdict(
  model: AuthModel,
  who: Identity,
  access: "read" | "write",
  { key, rangeEnd }: Pick<RangeRequest, "key" | "rangeEnd">,
): Verdict {
  return model.access(who, access, latin1FromBytes(key), latin1FromBytes(rangeEnd));
}

/** Leases are held by root alone, who may write all their keys. */
function putVerdict(model: AuthModel, who: Identity, { key, prevKv }: PutRequest): Verdict {
  const range = { key, rangeEnd: new Uint8Array(0) };
  const refusal = accessVerdict(model, who, "write", range);
  return refusal ?? (prevKv ? accessVerdict(model, who, "read", range) : undefined);
}

function deleteVerdict(model: AuthModel, who: Identity, request: DeleteRangeRequest): Verdict {
  const refusal = accessVerdict(model, who, "write", request);
  return refusal ?? (request.prevKv ? accessVerdict(model, who, "read", request) : undefined);
}

function txnVerdict(model: AuthModel, who: Identity, request: TxnRequest): Verdict {
  for (const each of request.compare) {
    const refusal = accessVerdict(model, who, "read", each);
    if (refusal !== undefined) return refusal;
  }
  for (const operation of [...request.success, ...request.failure]) {
    const refusal = operationVerdict(model, who, operation);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function operationVerdict(model: AuthModel, who: Identity, { request }: RequestOp): Verdict {
  switch (request?.case) {
    case "requestRange":
      return accessVerdict(model, who, "read", request.value);
    case "requestPut":
      return putVerdict(model, who, request.value);
    case "requestDeleteRange":
      return deleteVerdict(model, who, request.value);
    case "requestTxn":
      return txnVerdict(model, who, request.value);
    default:
      return undefined;
  }
}
