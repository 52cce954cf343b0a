/**
 * The auth half of the state machine: changes of users and roles, and logins. Each answers with the
 * header of etcd's response; a login with its token besides.
 */
import type { InternalAuthenticateRequest } from "../../api/gen/raft-internal.ts";
import {
  type AuthRoleAddRequest,
  type AuthRoleDeleteRequest,
  type AuthRoleGrantPermissionRequest,
  type AuthRoleRevokePermissionRequest,
  type AuthUserAddRequest,
  type AuthUserChangePasswordRequest,
  type AuthUserDeleteRequest,
  type AuthUserGrantRoleRequest,
  type AuthUserRevokeRoleRequest,
  AuthenticateResponse,
} from "../../api/gen/rpc.ts";
import type { Index } from "../../base/ids.ts";
import { isBefore } from "../../membership/index.ts";
import type { Answering, ServerContext } from "../context.ts";

type Reply = readonly Uint8Array[];
export type AuthApplierNeeds = Answering & Pick<ServerContext, "auth" | "cluster">;

/** From then on etcd numbers a token as it stands before the login is applied. */
const FIRST_VERSION_WITH_EARLIER_INDEX = "3.5.0";

export class AuthApplier {
  readonly #server: AuthApplierNeeds;

  constructor(server: AuthApplierNeeds) {
    this.#server = server;
  }

  enable(): Reply {
    this.#server.auth.store.enable();
    return this.#done();
  }

  disable(): Reply {
    this.#server.auth.store.disable();
    return this.#done();
  }

  /** The password was checked before; the entry's index makes the token the same everywhere. */
  authenticate({ name, simpleToken }: InternalAuthenticateRequest, index: Index): Reply {
    const { header, store, term, auth } = this.#server;
    const token = auth.login(name, simpleToken, this.#tokenIndex(index));
    const response = AuthenticateResponse.create({
      header: header.message(store.currentRevision, term),
      token,
    });
    return [AuthenticateResponse.encode(response)];
  }

  /** In tokens of 3.4 the login's own entry; later the one before it. */
  #tokenIndex(entry: Index): Index {
    const { version } = this.#server.cluster;
    const isOld = version !== undefined && isBefore(version, FIRST_VERSION_WITH_EARLIER_INDEX);
    return isOld ? entry : entry - 1;
  }

  addUser(request: AuthUserAddRequest): Reply {
    this.#server.auth.store.addUser(request);
    return this.#done();
  }

  deleteUser(request: AuthUserDeleteRequest): Reply {
    this.#server.auth.store.deleteUser(request);
    return this.#done();
  }

  changePassword(request: AuthUserChangePasswordRequest): Reply {
    this.#server.auth.store.changePassword(request);
    return this.#done();
  }

  grantRole(request: AuthUserGrantRoleRequest): Reply {
    this.#server.auth.store.grantRole(request);
    return this.#done();
  }

  revokeRole(request: AuthUserRevokeRoleRequest): Reply {
    this.#server.auth.store.revokeRole(request);
    return this.#done();
  }

  addRole(request: AuthRoleAddRequest): Reply {
    this.#server.auth.store.addRole(request);
    return this.#done();
  }

  deleteRole(request: AuthRoleDeleteRequest): Reply {
    this.#server.auth.store.deleteRole(request);
    return this.#done();
  }

  grantPermission(request: AuthRoleGrantPermissionRequest): Reply {
    this.#server.auth.store.grantPermission(request);
    return this.#done();
  }

  revokePermission(request: AuthRoleRevokePermissionRequest): Reply {
    this.#server.auth.store.revokePermission(request);
    return this.#done();
  }

  #done(): Reply {
    const { header, store, term } = this.#server;
    return [header.encodeResponse(store.currentRevision, term)];
  }
}
