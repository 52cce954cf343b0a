/** Who changes users, roles, permissions and passwords while others work, and what was answered. */
import { Permission_Type } from "../../src/api/gen/auth.ts";
import type { AuthChange } from "../../src/auth/testing/auth-model.ts";
import type { SeededRandom } from "../../src/env/testing/index.ts";
import { encodeRequest } from "../../src/server/testing/auth-requests.ts";
import type { Member } from "../../src/testing/world/member.ts";
import { Login } from "./login.ts";
import type { Port } from "./port.ts";

export interface AuthOperatorOptions {
  readonly port: Port;
  readonly random: SeededRandom;
  readonly member: () => Member | undefined;
  readonly users: Users;
  readonly isOver: () => boolean;
}

const TIMEOUT_MS = 3000;
const RETRY_MS = 100;
const PAUSE_MS = { min: 30, max: 600 };
const ROLES = ["ra", "rb"];
const RANGES: readonly (readonly [key: string, end: string])[] = [
  ["k", "l"],
  ["k1", "k4"],
  ["k3", "\0"],
  ["k0", ""],
  ["k2", ""],
];

/** Bounds of everything that is granted or asked for. */
export const AUTH_BOUNDS: readonly string[] = [
  ..."0123456789".split("").map((digit) => `k${digit}`),
  ...["a", "k", "l", "last", "m", "z"],
];

/** The users of a run. Root keeps its password. */
export class Users {
  readonly root = new Login("root", "root's");
  readonly others: readonly Login[] = [new Login("u1", "one"), new Login("u2", "two")];
}

export class AuthOperator {
  /** Changes that were acknowledged. */
  readonly acknowledged: AuthChange[] = [];
  readonly #options: AuthOperatorOptions;
  #passwords = 0;
  /** Authentication was switched off, as far as this operator has asked for it. */
  #mayBeOff = false;

  constructor(options: AuthOperatorOptions) {
    this.#options = options;
  }

  /** Users with some rights, and authentication on. Repeats what was not answered. */
  async setUp(): Promise<void> {
    const { others, root } = this.#options.users;
    const [first, second] = others;
    if (first === undefined || second === undefined) return;
    const everything = { type: Permission_Type.READWRITE, key: "k", end: "l" };
    const looking = { type: Permission_Type.READ, key: "k", end: "l" };
    const changes: AuthChange[] = [
      { kind: "userAdd", name: root.name, password: root.passwords[0] },
      { kind: "userGrant", name: root.name, role: "root" },
      ...ROLES.map((name): AuthChange => ({ kind: "roleAdd", name })),
      { kind: "roleGrant", name: "ra", permission: everything },
      { kind: "roleGrant", name: "rb", permission: looking },
      { kind: "userAdd", name: first.name, password: first.passwords[0] },
      { kind: "userAdd", name: second.name, password: second.passwords[0] },
      { kind: "userGrant", name: first.name, role: "ra" },
      { kind: "userGrant", name: second.name, role: "rb" },
      { kind: "enable" },
    ];
    for (const change of changes) {
      while (!(await this.#change(change))) await this.#sleep(RETRY_MS, RETRY_MS);
    }
  }

  async run(): Promise<void> {
    while (!this.#options.isOver()) {
      await this.#sleep(PAUSE_MS.min, PAUSE_MS.max);
      await this.#change(this.#next());
    }
  }

  /** True if the cluster has answered, be it that all is as it was asked for. */
  async #change(change: AuthChange): Promise<boolean> {
    const { port, member } = this.#options;
    const target = member();
    if (target === undefined) return false;
    const { method, body } = encodeRequest({ kind: "change", change });
    const result = await port.call(target, method, body, TIMEOUT_MS);
    port.world.count(`auth change ${result.kind}`);
    if (result.kind === "reply") this.acknowledged.push(change);
    return result.kind === "reply" || (result.kind === "failure" && /exists/.test(result.message));
  }

  async #sleep(min: number, max: number): Promise<void> {
    const { port, random } = this.#options;
    await port.world.scheduler.sleep(random.between(min, max));
  }

  #next(): AuthChange {
    const { random, users } = this.#options;
    const user = random.pick(users.others);
    const { name } = user;
    if (this.#mayBeOff && random.chance(0.3)) {
      this.#mayBeOff = false;
      return { kind: "enable" };
    }
    const role = random.pick(ROLES);
    const [key, end] = random.pick(RANGES);
    const dice = random.below(100);
    if (dice < 28) return { kind: "userGrant", name, role };
    if (dice < 42) return { kind: "userRevoke", name, role };
    if (dice < 66) {
      const types = [Permission_Type.READ, Permission_Type.WRITE, Permission_Type.READWRITE];
      return { kind: "roleGrant", name: role, permission: { type: random.pick(types), key, end } };
    }
    if (dice < 78) return { kind: "roleRevoke", name: role, key, end };
    if (dice < 83) return { kind: "roleAdd", name: role };
    if (dice < 85) return { kind: "roleDelete", name: role };
    if (dice < 91) return { kind: "userAdd", name, password: this.#newPassword(user) };
    if (dice < 94) return { kind: "userDelete", name };
    if (dice < 97) return { kind: "userPassword", name, password: this.#newPassword(user) };
    this.#mayBeOff = dice < 99;
    return { kind: this.#mayBeOff ? "disable" : "enable" };
  }

  #newPassword(user: Login): string {
    const password = `p${++this.#passwords}`;
    user.passwordChanged(password);
    return password;
  }
}
