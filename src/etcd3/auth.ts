/** Users and roles as objects. */
import { Range } from "./keys.ts";
import type { Permission } from "./messages/enums.ts";
import type { ICallOptions } from "./options.ts";
import type { AuthClient } from "./rpc-clients.ts";

export type IPermissionRequest =
  | { permission: keyof typeof Permission; range: Range }
  | { permission: keyof typeof Permission; key: Buffer | string };

export interface IPermissionResult {
  permission: keyof typeof Permission;
  range: Range;
}

const rangeOf = (request: IPermissionRequest): Range =>
  "key" in request ? new Range(request.key) : request.range;

const nameOf = (named: string | { readonly name: string }): string =>
  typeof named === "string" ? named : named.name;

/** One after the other: changes of one role wait for each other at the server anyway. */
async function forEach<T>(items: T | readonly T[], act: (item: T) => Promise<unknown>) {
  for (const item of Array.isArray(items) ? items : [items]) await act(item as T);
}

export class Role {
  readonly name: string;
  readonly #client: AuthClient;

  constructor(client: AuthClient, name: string) {
    this.#client = client;
    this.name = name;
  }

  async create(options?: ICallOptions): Promise<this> {
    await this.#client.roleAdd({ name: this.name }, options);
    return this;
  }

  async delete(options?: ICallOptions): Promise<this> {
    await this.#client.roleDelete({ role: this.name }, options);
    return this;
  }

  async revoke(
    requests: IPermissionRequest | IPermissionRequest[],
    options?: ICallOptions,
  ): Promise<this> {
    await forEach(requests, (request) => {
      const { start, end } = rangeOf(request);
      const revoked = { role: this.name, key: start, range_end: end };
      return this.#client.roleRevokePermission(revoked, options);
    });
    return this;
  }

  async grant(
    requests: IPermissionRequest | IPermissionRequest[],
    options?: ICallOptions,
  ): Promise<this> {
    await forEach(requests, (request) => {
      const { start, end } = rangeOf(request);
      const perm = { permType: request.permission, key: start, range_end: end };
      return this.#client.roleGrantPermission({ name: this.name, perm }, options);
    });
    return this;
  }

  async permissions(options?: ICallOptions): Promise<IPermissionResult[]> {
    const { perm } = await this.#client.roleGet({ role: this.name }, options);
    return perm.map(({ permType, key, range_end: end }) => ({
      permission: permType,
      range: new Range(key, end),
    }));
  }

  async addUser(user: string | User, options?: ICallOptions): Promise<this> {
    await this.#client.userGrantRole({ user: nameOf(user), role: this.name }, options);
    return this;
  }

  async removeUser(user: string | User, options?: ICallOptions): Promise<this> {
    await this.#client.userRevokeRole({ name: nameOf(user), role: this.name }, options);
    return this;
  }
}

export class User {
  readonly name: string;
  readonly #client: AuthClient;

  constructor(client: AuthClient, name: string) {
    this.#client = client;
    this.name = name;
  }

  async create(password: string, options?: ICallOptions): Promise<this> {
    await this.#client.userAdd({ name: this.name, password }, options);
    return this;
  }

  async setPassword(password: string, options?: ICallOptions): Promise<this> {
    await this.#client.userChangePassword({ name: this.name, password }, options);
    return this;
  }

  async delete(options?: ICallOptions): Promise<this> {
    await this.#client.userDelete({ name: this.name }, options);
    return this;
  }

  async roles(options?: ICallOptions): Promise<Role[]> {
    const { roles } = await this.#client.userGet({ name: this.name }, options);
    return roles.map((role) => new Role(this.#client, role));
  }

  async addRole(role: string | Role, options?: ICallOptions): Promise<this> {
    await this.#client.userGrantRole({ user: this.name, role: nameOf(role) }, options);
    return this;
  }

  async removeRole(role: string | Role, options?: ICallOptions): Promise<this> {
    await this.#client.userRevokeRole({ name: this.name, role: nameOf(role) }, options);
    return this;
  }
}
