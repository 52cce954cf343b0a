/**
 * The same loads on a member that demands logins, by a user who may read and write the keys of the
 * load and nothing else, and logins themselves.
 */
import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { EtcdClient } from "../src/client/index.ts";
import { type MemberShape, shapeOfOne } from "./server-process.ts";
import {
  GET_RANDOM_KEY,
  LOADED_KEYS,
  type Loop,
  loadKeys,
  type MemberWorkload,
  PUT_ONE_KEY,
  SAME_KEY,
  WARM_UP_SECONDS,
} from "./workloads.ts";

const ROOT = { username: "root", password: "root-of-bench" } as const;
const USER = { username: "bench", password: "user-of-bench" } as const;
/** Ranges of the user's role besides the one that the load needs, so that there is a search. */
const OTHER_RANGES = 9;

/** Users, a role and authentication switched on; a token of the user who may touch the keys. */
export async function enableAuthentication(port: number): Promise<string> {
  await using client = new EtcdClient({ endpoints: `http://127.0.0.1:${port}` });
  const { auth } = client;
  await auth.userAdd(ROOT.username, ROOT.password);
  await auth.roleAdd("root");
  await auth.userGrantRole(ROOT.username, "root");
  await auth.userAdd(USER.username, USER.password);
  await auth.roleAdd("load");
  await auth.roleGrantPermission("load", "readwrite", "bench-", { prefix: true });
  for (let i = 0; i < OTHER_RANGES; i++) {
    await auth.roleGrantPermission("load", "readwrite", `other-${i}-`, { prefix: true });
  }
  await auth.userGrantRole(USER.username, "load");
  await auth.enable();
  return await auth.authenticate(USER.username, USER.password);
}

/** `--auth-token` with a key pair in `folder`: RS256, as etcd's guide shows. */
async function jwtShape(folder: string): Promise<MemberShape> {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const publicFile = join(folder, "jwt.pub");
  const privateFile = join(folder, "jwt.key");
  writeFileSync(publicFile, publicKey.export({ type: "spki", format: "pem" }));
  writeFileSync(privateFile, privateKey.export({ type: "pkcs1", format: "pem" }));
  const files = `pub-key=${publicFile},priv-key=${privateFile}`;
  return shapeOfOne(["--auth-token", `jwt,${files},sign-method=RS256,ttl=1h`]);
}

interface AuthRow {
  readonly row: string;
  readonly besides?: string;
  readonly loop: Loop;
  readonly needsKeys?: boolean;
  readonly shape?: MemberWorkload["shape"];
}

function authenticated({ row, besides, loop, needsKeys, shape }: AuthRow): MemberWorkload {
  return {
    kind: "member",
    rows: [row],
    isLong: false,
    ...(besides !== undefined && { besides }),
    ...(shape !== undefined && { shape }),
    async run(server, { seconds, runJob }) {
      if (needsKeys === true) await loadKeys([server.port], LOADED_KEYS, runJob);
      const token = await enableAuthentication(server.port);
      const result = await runJob({
        kind: "closedLoop",
        ports: [server.port],
        token,
        warmUpSeconds: WARM_UP_SECONDS,
        limit: { seconds },
        ...loop,
      });
      return [{ row, unit: "op/s", value: result.operations / result.seconds, result }];
    },
  };
}

/** At etcd's default cost of bcrypt, 10. */
const LOGIN: Loop = {
  connections: 16,
  streams: 1,
  request: { kind: "authenticate", ...USER },
  ...SAME_KEY,
};

export const AUTH_WORKLOADS: readonly MemberWorkload[] = [
  authenticated({ row: "put-auth", besides: "put-same-key", loop: PUT_ONE_KEY }),
  authenticated({
    row: "put-auth-jwt",
    besides: "put-same-key",
    loop: PUT_ONE_KEY,
    shape: jwtShape,
  }),
  authenticated({
    row: "get-auth",
    besides: "get-linearizable",
    loop: GET_RANDOM_KEY,
    needsKeys: true,
  }),
  authenticated({ row: "authenticate", loop: LOGIN }),
];
