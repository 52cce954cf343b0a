/** Random changes of users and roles over few names and short keys, so that they meet. */
import { Permission_Type } from "../../api/gen/auth.ts";
import type { SeededRandom } from "../../env/testing/index.ts";
import { ROOT_ROLE, ROOT_USER } from "../identity.ts";
import type { AuthChange, AuthModel, ModelPermission } from "./auth-model.ts";

const LETTERS = ["\0", "a", "b", "\xff"];
const PAIRS = LETTERS.flatMap((one) => LETTERS.map((two) => one + two));
/** All keys of one to three letters of a small alphabet. */
export const SHORT_KEYS: readonly string[] = [
  ...LETTERS,
  ...PAIRS,
  ...PAIRS.flatMap((pair) => LETTERS.map((letter) => pair + letter)),
].sort();

export const USER_NAMES: readonly string[] = ["ann", "bob", "cid", ROOT_USER];
export const ROLE_NAMES: readonly string[] = ["r1", "r2", "r3", ROOT_ROLE];
const PASSWORDS = ["one", "two", ""];
const TYPES = [Permission_Type.READ, Permission_Type.WRITE, Permission_Type.READWRITE];

/** A key with the end of a single key, a prefix, an open range, a range, or one that is none. */
export function randomRange(
  random: SeededRandom,
  keys = SHORT_KEYS,
): { readonly key: string; readonly end: string } {
  const key = random.pick(keys);
  const dice = random.below(10);
  if (dice < 3) return { key, end: "" };
  if (dice < 5) return { key, end: "\0" };
  if (dice < 7) return { key, end: prefixEnd(key) };
  const other = random.pick(keys);
  // Mostly in order; the others are refused, or hold nothing.
  return key < other || random.chance(0.2) ? { key, end: other } : { key: other, end: key };
}

function prefixEnd(key: string): string {
  const kept = key.replace(/\xff+$/, "");
  if (kept === "") return "\0";
  return kept.slice(0, -1) + String.fromCharCode(kept.charCodeAt(kept.length - 1) + 1);
}

export function randomPermission(random: SeededRandom): ModelPermission {
  return { type: random.pick(TYPES), ...randomRange(random) };
}

/** What is missing for authentication to be on. */
export function towardsEnabled({ users }: AuthModel): AuthChange {
  const root = users.get(ROOT_USER);
  if (root === undefined) return { kind: "userAdd", name: ROOT_USER, password: "one" };
  if (!root.roles.includes(ROOT_ROLE)) {
    return { kind: "userGrant", name: ROOT_USER, role: ROOT_ROLE };
  }
  return { kind: "enable" };
}

/** Something to change, mostly of what is there. Most of the time, authentication is on. */
export function randomChange(random: SeededRandom, model: AuthModel): AuthChange {
  if (!model.enabled && random.chance(0.3)) return towardsEnabled(model);
  const name = random.pick(USER_NAMES);
  const role = random.pick(ROLE_NAMES);
  const dice = random.below(100);
  if (dice < 3) return { kind: random.chance(0.5) ? "disable" : "enable" };
  if (dice < 20) {
    return { kind: "userAdd", name, password: random.pick([...PASSWORDS, undefined]) };
  }
  if (dice < 24) return { kind: "userDelete", name };
  if (dice < 29) return { kind: "userPassword", name, password: random.pick(PASSWORDS) };
  if (dice < 45) return { kind: "userGrant", name, role };
  if (dice < 50) return { kind: "userRevoke", name, role };
  if (dice < 58) return { kind: "roleAdd", name: role };
  if (dice < 61) return { kind: "roleDelete", name: role };
  if (dice < 85) return { kind: "roleGrant", name: role, permission: randomPermission(random) };
  const granted = model.roles.get(role) ?? [];
  const { key, end } =
    granted.length > 0 && random.chance(0.8) ? random.pick(granted) : randomRange(random);
  return { kind: "roleRevoke", name: role, key, end };
}

/** Everything that requests of `randomChange` and `randomRange` may name, for `AuthModel`. */
export const RANGE_BOUNDS: readonly string[] = [
  ...new Set([...SHORT_KEYS, ...SHORT_KEYS.map(prefixEnd)]),
];
