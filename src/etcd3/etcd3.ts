/** The client of npm `etcd3`. */
import type { EtcdClient } from "../client/index.ts";
import { Role, User } from "./auth.ts";
import { ConnectionPool, type ICallable } from "./connection-pool.ts";
import { Namespace } from "./namespace.ts";
import type { IOptions } from "./options.ts";
import { AuthClient, ClusterClient, MaintenanceClient } from "./rpc-clients.ts";

export class Etcd3 extends Namespace implements Disposable {
  readonly auth: AuthClient;
  readonly maintenance: MaintenanceClient;
  readonly cluster: ClusterClient;

  /** Does not dial. Throws for no hosts, and for a mix of secure and insecure ones. */
  constructor(options: IOptions = {}) {
    const pool = new ConnectionPool(options);
    super(Buffer.alloc(0), pool);
    this.auth = new AuthClient(pool);
    this.maintenance = new MaintenanceClient(pool);
    this.cluster = new ClusterClient(pool);
  }

  /** The client below, for moving to its API step by step. Closed with this one. */
  get client(): EtcdClient {
    return this.pool.client;
  }

  async getRoles(): Promise<Role[]> {
    const { roles } = await this.auth.roleList();
    return roles.map((name) => this.role(name));
  }

  role(name: string): Role {
    return new Role(this.auth, name);
  }

  async getUsers(): Promise<User[]> {
    const { users } = await this.auth.userList();
    return users.map((name) => this.user(name));
  }

  user(name: string): User {
    return new User(this.auth, name);
  }

  /** Lets `callable.exec` answer all calls but watches, for tests. Returns it. */
  mock<T extends Partial<ICallable>>(callable: T): T {
    this.pool.mock(callable);
    return callable;
  }

  unmock(): void {
    this.pool.unmock();
  }

  /** Closes all connections. Leases are no longer renewed, watches end. */
  close(): void {
    this.pool.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
