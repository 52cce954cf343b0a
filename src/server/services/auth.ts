/**
 * The Auth service: changes of users and roles go through the log, questions about them are read
 * linearizably, and a login is a password checked here and a token made by the log.
 *
 * A password never gets further than this file: it is hashed, or compared with a hash, before
 * anything is proposed (CVE-2021-28235), except while a member of etcd 3.4 needs it in the log.
 * Nothing tells an unknown user from a wrong password, neither words nor time.
 */
import { EtcdError } from "../../api/errors.ts";
import { InternalAuthenticateRequest } from "../../api/gen/raft-internal.ts";
import {
  AuthenticateRequest,
  AuthRoleGetRequest,
  AuthRoleGetResponse,
  AuthRoleListResponse,
  AuthStatusResponse,
  AuthUserAddRequest,
  AuthUserChangePasswordRequest,
  AuthUserGetRequest,
  AuthUserGetResponse,
  AuthUserListResponse,
  type ResponseHeader,
} from "../../api/gen/rpc.ts";
import { METHOD } from "../../api/rpc-table.ts";
import { type Identity, NOBODY } from "../../auth/index.ts";
import { copyBytes, utf8FromBytes } from "../../base/bytes.ts";
import { HasherBusyError, type UnaryCall } from "../../env/index.ts";
import { LoginLimiter } from "../access/login-limiter.ts";
import { type LinearizableReader, readLinearizably } from "../consensus/linearizable-reads.ts";
import type { Answering, ServerContext } from "../context.ts";
import { RaftField } from "../log/raft-request.ts";
import { failWith } from "./reply.ts";
import type { UnaryRows } from "./rows.ts";

/** Salt and digest of a password that nobody knows. */
const NOBODYS_DIGEST = "JapU98JuFQStidHjW0JJyOmagAPvwKmU20vPeWWfktWbDUc42Oknm";

/** All unknown users wait in one. */
const NOBODYS_LANE = "nobody";

/** Compared with the password of an unknown user, so that it takes as long as that of any other. */
function nobodysHash(cost: number): string {
  return `$2a$${String(cost).padStart(2, "0")}$${NOBODYS_DIGEST}`;
}

export type AuthNeeds = Answering &
  LinearizableReader &
  Pick<ServerContext, "auth" | "backend" | "clock" | "forms" | "logger" | "propose">;

export class AuthService {
  readonly unary: UnaryRows = {
    [METHOD.AuthEnable]: (call, who) => this.#change(call, who, RaftField.authEnable),
    [METHOD.AuthDisable]: (call, who) => this.#change(call, who, RaftField.authDisable),
    [METHOD.AuthStatus]: (call, who) =>
      this.#adminRead(call, who, (header) => this.#status(header)),
    [METHOD.Authenticate]: (call) => this.#authenticate(call),
    [METHOD.UserAdd]: (call, who) => this.#addUser(call, who),
    [METHOD.UserGet]: (call, who) => this.#getUser(call, who),
    [METHOD.UserList]: (call, who) =>
      this.#adminRead(call, who, (header) => this.#userList(header)),
    [METHOD.UserDelete]: (call, who) => this.#change(call, who, RaftField.authUserDelete),
    [METHOD.UserChangePassword]: (call, who) => this.#changePassword(call, who),
    [METHOD.UserGrantRole]: (call, who) => this.#change(call, who, RaftField.authUserGrantRole),
    [METHOD.UserRevokeRole]: (call, who) => this.#change(call, who, RaftField.authUserRevokeRole),
    [METHOD.RoleAdd]: (call, who) => this.#change(call, who, RaftField.authRoleAdd),
    [METHOD.RoleGet]: (call, who) => this.#getRole(call, who),
    [METHOD.RoleList]: (call, who) =>
      this.#adminRead(call, who, (header) => this.#roleList(header)),
    [METHOD.RoleDelete]: (call, who) => this.#change(call, who, RaftField.authRoleDelete),
    [METHOD.RoleGrantPermission]: (call, who) =>
      this.#change(call, who, RaftField.authRoleGrantPermission),
    [METHOD.RoleRevokePermission]: (call, who) =>
      this.#change(call, who, RaftField.authRoleRevokePermission),
  };
  readonly #server: AuthNeeds;
  readonly #limiter: LoginLimiter;

  constructor(server: AuthNeeds) {
    this.#server = server;
    this.#limiter = new LoginLimiter(server.clock);
  }

  #change(call: UnaryCall, who: Identity, field: number): void {
    this.#propose(call, field, copyBytes(call.body), who);
  }

  #propose(call: UnaryCall, field: number, body: Uint8Array, who: Identity): void {
    this.#server.propose(field, body, who, call.span).then(
      (reply) => call.replyParts(reply),
      (error: unknown) => failWith(call, error),
    );
  }

  /**
   * Answers when the db has it, too: members of 3.4 do not read hashes in the log. One that was given
   * the directory of a killed member would replay an acknowledged password as an empty one.
   */
  #proposeHash(call: UnaryCall, field: number, body: Uint8Array, who: Identity): void {
    const { backend } = this.#server;
    this.#server
      .propose(field, body, who, call.span)
      .then((reply) =>
        backend.commit().then(
          () => reply,
          () => Promise.reject(new EtcdError("stopped")),
        ),
      )
      .then(
        (reply) => call.replyParts(reply),
        (error: unknown) => failWith(call, error),
      );
  }

  /** Answers with what is true after everything that was acknowledged before. */
  #read(call: UnaryCall, answer: (header: ResponseHeader) => Uint8Array): void {
    this.#server.reads.add((error) => {
      try {
        if (error !== undefined) throw error;
        const { header, store, term } = this.#server;
        call.reply(answer(header.message(store.currentRevision, term)));
      } catch (failure) {
        failWith(call, failure);
      }
    }, call.span);
  }

  /** Asked again with the answer: whoever administered at the door may not any more. */
  #adminRead(call: UnaryCall, who: Identity, answer: (header: ResponseHeader) => Uint8Array): void {
    this.#read(call, (header) => {
      this.#server.auth.store.requireAdmin(who);
      return answer(header);
    });
  }

  #status(header: ResponseHeader): Uint8Array {
    const { enabled, revision } = this.#server.auth.store;
    return AuthStatusResponse.encode({ header, enabled, authRevision: revision });
  }

  #userList(header: ResponseHeader): Uint8Array {
    return AuthUserListResponse.encode({ header, users: this.#server.auth.store.userNames() });
  }

  #roleList(header: ResponseHeader): Uint8Array {
    return AuthRoleListResponse.encode({ header, roles: this.#server.auth.store.roleNames() });
  }

  /** Users may ask about themselves; nobody, as in etcd, about the user without a name. */
  #getUser(call: UnaryCall, who: Identity): void {
    const { name } = AuthUserGetRequest.decode(call.body);
    const { store } = this.#server.auth;
    if (name !== who.username) this.#server.auth.requireUser(who);
    this.#read(call, (header) => {
      if (name !== who.username) store.requireAdmin(who);
      return AuthUserGetResponse.encode({ header, roles: [...store.rolesOf(name)] });
    });
  }

  /** Users may ask about roles that they have. */
  #getRole(call: UnaryCall, who: Identity): void {
    const { role } = AuthRoleGetRequest.decode(call.body);
    const { store } = this.#server.auth;
    this.#read(call, (header) => {
      if (!store.hasRole(who.username, role)) store.requireAdmin(who);
      return AuthRoleGetResponse.encode({ header, perm: [...store.permissionsOf(role)] });
    });
  }

  #addUser(call: UnaryCall, who: Identity): void {
    const request = AuthUserAddRequest.decode(call.body);
    if (request.options?.noPassword === true) {
      this.#change(call, who, RaftField.authUserAdd);
      return;
    }
    this.#withHash(call, request, (hashed) => {
      this.#proposeHash(call, RaftField.authUserAdd, AuthUserAddRequest.encode(hashed), who);
    });
  }

  #changePassword(call: UnaryCall, who: Identity): void {
    const request = AuthUserChangePasswordRequest.decode(call.body);
    if (request.password === "") {
      this.#change(call, who, RaftField.authUserChangePassword);
      return;
    }
    this.#withHash(call, request, (hashed) => {
      const body = AuthUserChangePasswordRequest.encode(hashed);
      this.#proposeHash(call, RaftField.authUserChangePassword, body, who);
    });
  }

  #withHash<T extends { readonly password: string }>(
    call: UnaryCall,
    request: T,
    done: (hashed: T & { readonly hashedPassword: string }) => void,
  ): void {
    this.#hash(request.password).then(
      (password) => done({ ...request, ...password }),
      (error: unknown) => failWith(call, toRefusal(error)),
    );
  }

  /** A password as the log has it. */
  async #hash(
    password: string,
  ): Promise<{ readonly password: string; readonly hashedPassword: string }> {
    const { auth, forms } = this.#server;
    const hash = await auth.passwords.hash(password, auth.bcryptCost);
    const hashedPassword = Buffer.from(hash, "utf8").toString("base64");
    return { password: (await forms.allReadHashes()) ? "" : password, hashedPassword };
  }

  #authenticate(call: UnaryCall): void {
    const { name, password } = AuthenticateRequest.decode(call.body);
    this.#limiter.check(name, call.remote);
    this.#logIn(name, password, call).then(
      (reply) => call.replyParts(reply),
      (error: unknown) => failWith(call, toRefusal(error)),
    );
  }

  async #logIn(
    name: string,
    password: string,
    { remote }: UnaryCall,
  ): Promise<readonly Uint8Array[]> {
    const { auth, logger } = this.#server;
    await readLinearizably(this.#server);
    for (;;) {
      const checkedAt = await this.#checkPassword(name, password, remote);
      const request = InternalAuthenticateRequest.create({
        name,
        simpleToken: auth.newTokenPrefix(),
      });
      const body = InternalAuthenticateRequest.encode(request);
      const reply = await this.#server.propose(RaftField.authenticate, body, NOBODY);
      if (checkedAt === auth.store.revision) return reply;
      // The password may have been changed between its check and the login's place in the log.
      logger.info("revision when password checked became stale; retrying");
    }
  }

  /** The auth revision at which the password was right. */
  async #checkPassword(name: string, password: string, remote: string): Promise<number> {
    const { auth, logger } = this.#server;
    const { enabled, revision } = auth.store;
    if (!enabled) throw new EtcdError("authNotEnabled");
    const user = auth.store.user(name);
    const hasPassword = user !== undefined && user.options?.noPassword !== true;
    const hash = hasPassword ? utf8FromBytes(user.password) : nobodysHash(auth.bcryptCost);
    const matches = await auth.passwords.verify(password, hash, {
      lane: user === undefined ? NOBODYS_LANE : this.#limiter.laneOf(name, remote),
      // While it waited, the user's other attempts may have become too many.
      admit: () => this.#limiter.check(name, remote),
    });
    if (hasPassword && matches) {
      this.#limiter.succeeded(name, remote);
      return revision;
    }
    this.#limiter.failed(name, remote);
    if (hasPassword) logger.info("invalid password", { "user-name": name });
    const error = user !== undefined && !hasPassword ? "noPasswordUser" : "authFailed";
    logger.warn("invalid authentication was requested", {
      user: name,
      error: new EtcdError(error),
    });
    throw new EtcdError("authFailed");
  }
}

/** What keeps a password from being looked at, in etcd's terms. */
function toRefusal(error: unknown): unknown {
  return error instanceof HasherBusyError ? new EtcdError("tooManyRequests") : error;
}
