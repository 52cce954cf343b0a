/**
 * The callers of the matrix: with tokens of the members' memory, with such that have expired, and
 * with JSON web tokens, true ones and forged ones.
 */
import { createHmac, createSign, generateKeyPairSync, type KeyObject } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { bytes, type RpcClient } from "../src/embed/e2e/rpc-client.ts";
import { endLogins, logIn, type Metadata, type Scenario } from "./auth-matrix.ts";

const USERS = ["reader", "writer", "owner", "root"] as const;
/** Of a good form; so is the token of another cluster. */
const UNKNOWN_TOKEN = "abcdefghijklmnop.1";

/** What each caller sends; a caller without a token is nobody. */
function senders(tokens: Readonly<Record<string, string>>): (caller: string) => Metadata {
  return (caller) => {
    const token = tokens[caller];
    return token === undefined ? {} : { token };
  };
}

export const SIMPLE: Scenario = {
  name: "auth-matrix",
  callers: [
    "nobody",
    "bad token",
    "token from before a password change",
    "token of a deleted user",
    "without rights",
    ...USERS,
  ],
  async cast(client) {
    const { changed, deleted } = await endLogins(client);
    const tokens: Record<string, string> = {
      "bad token": UNKNOWN_TOKEN,
      "token from before a password change": changed,
      "token of a deleted user": deleted,
      "without rights": await logIn(client, "idle"),
    };
    for (const user of USERS) tokens[user] = await logIn(client, user);
    const metadataOf = senders(tokens);
    return { metadataOf, root: async () => metadataOf("root") };
  },
};

/** `--auth-token-ttl` of the member, and time enough for tokens to end. */
export const EXPIRING_FLAGS: readonly string[] = ["--auth-token-ttl=4"];
const EXPIRED_MS = 7000;

export const EXPIRED: Scenario = {
  name: "auth-matrix-expired",
  callers: ["expired token of root"],
  async cast(client) {
    const metadataOf = senders({ "expired token of root": await logIn(client, "root") });
    await sleep(EXPIRED_MS);
    return { metadataOf, root: async () => ({ token: await logIn(client, "root") }) };
  },
};

/** RS256 with keys made for the run. */
export class JwtKeys {
  readonly #trusted = generateKeyPairSync("rsa", { modulusLength: 2048 });
  readonly #other = generateKeyPairSync("rsa", { modulusLength: 2048 });
  readonly #publicPem = this.#trusted.publicKey.export({ type: "spki", format: "pem" });

  /** Writes the keys that the member trusts. */
  flags(directory: string): string[] {
    const [publicFile, privateFile] = [join(directory, "public"), join(directory, "private")];
    writeFileSync(publicFile, this.#publicPem);
    writeFileSync(privateFile, this.#trusted.privateKey.export({ type: "pkcs1", format: "pem" }));
    const options = `pub-key=${publicFile},priv-key=${privateFile},sign-method=RS256,ttl=1h`;
    return [`--auth-token=jwt,${options}`];
  }

  good(claims: object, algorithm = "RS256"): string {
    return signed(algorithm, claims, this.#trusted.privateKey);
  }

  ofAnotherKey(claims: object): string {
    return signed("RS256", claims, this.#other.privateKey);
  }

  /** The public key, which everybody has, taken for a secret one. */
  confused(claims: object): string {
    const text = unsigned("HS256", claims);
    return `${text}.${createHmac("sha256", this.#publicPem).update(text).digest("base64url")}`;
  }
}

function unsigned(alg: string, claims: object): string {
  const encode = (part: object) => bytes64(JSON.stringify(part));
  return `${encode({ alg, typ: "JWT" })}.${encode(claims)}`;
}

function bytes64(text: string): string {
  return Buffer.from(bytes(text)).toString("base64url");
}

function signed(alg: string, claims: object, key: KeyObject): string {
  const text = unsigned(alg, claims);
  return `${text}.${createSign("sha256").update(text).sign(key, "base64url")}`;
}

/** Tokens of root that somebody else has made, or that are of another time. */
function forgeries(keys: JwtKeys, revision: number): Record<string, string> {
  const nowSeconds = Math.floor(Date.now() / 1000);
  const hour = 3600;
  const claims = { username: "root", revision, exp: nowSeconds + hour };
  const withoutSignature = `${unsigned("none", claims)}.`;
  return {
    "of another key": keys.ofAnotherKey(claims),
    none: withoutSignature,
    "HS256 of the public key": keys.confused(claims),
    "RS256 said to be RS512": keys.good(claims, "RS512"),
    expired: keys.good({ ...claims, exp: nowSeconds - hour }),
    "not yet valid": keys.good({ ...claims, nbf: nowSeconds + hour }),
    "issued later": keys.good({ ...claims, iat: nowSeconds + hour }),
    "without an end": keys.good({ username: "root", revision }),
    "of a later revision": keys.good({ ...claims, revision: revision + 100 }),
    "without a revision": keys.good({ username: "root", exp: claims.exp }),
    "without a user": keys.good({ revision, exp: claims.exp }),
    "of the empty user": keys.good({ ...claims, username: "" }),
    "of an unknown user": keys.good({ ...claims, username: "missing" }),
  };
}

export function jwtScenario(keys: JwtKeys): Scenario {
  const old = ["token from before a password change", "token of a deleted user"];
  return {
    name: "auth-matrix-jwt",
    callers: ["nobody", ...old, "old token of root", ...USERS, ...Object.keys(forgeries(keys, 1))],
    async cast(client) {
      const oldRoot = await logIn(client, "root");
      const { changed, deleted } = await endLogins(client);
      const tokens: Record<string, string> = {
        "token from before a password change": changed,
        "token of a deleted user": deleted,
        "old token of root": oldRoot,
      };
      for (const user of USERS) tokens[user] = await logIn(client, user);
      Object.assign(tokens, forgeries(keys, await authRevision(client, tokens["root"] ?? "")));
      const metadataOf = senders(tokens);
      return { metadataOf, root: async () => metadataOf("root") };
    },
  };
}

async function authRevision(client: RpcClient, token: string): Promise<number> {
  const metadata = { token };
  const status = await client.call("/etcdserverpb.Auth/AuthStatus", {}, { metadata });
  return status.authRevision;
}
