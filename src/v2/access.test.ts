/** Who guesses passwords at the v2 API. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EtcdError } from "../api/errors.ts";
import type { HttpRequest } from "../env/http.ts";
import { MemoryLogger } from "../env/testing/index.ts";
import { Access } from "./access.ts";
import { V2AuthStore } from "./auth-store.ts";
import type { V2Backend } from "./backend.ts";

const VALUES: Readonly<Record<string, string>> = {
  "/2/enabled": "true",
  "/2/users/u": '{"user":"u","password":"right","roles":["r"]}',
  "/2/roles/r": '{"role":"r","permissions":{"kv":{"read":["/*"],"write":null}}}',
};

class World {
  /** What the limiter heard and did, and what was hashed, in order. */
  readonly events: string[] = [];
  isRefusing = false;
  readonly #access: Access;

  constructor() {
    const note = (event: string): void => void this.events.push(event);
    const backend = {
      keys: { value: (path: string) => VALUES[path] },
      passwords: {
        verify: async (given: string, hash: string, turn: { lane: string; admit(): void }) => {
          turn.admit();
          note(`hash in ${turn.lane}`);
          return given === hash;
        },
      },
      logins: {
        check: (): void => {
          if (this.isRefusing) throw new EtcdError("tooManyRequests");
        },
        laneOf: (user: string, address: string) => `${user} at ${address}`,
        failed: (user: string) => note(`${user} failed`),
        succeeded: (user: string) => note(`${user} succeeded`),
      },
      clientCertAuth: false,
      logger: new MemoryLogger(),
    };
    const shown = backend as unknown as V2Backend;
    this.#access = new Access(shown, new V2AuthStore(shown));
  }

  async asks(name: string, password: string): Promise<boolean> {
    const headers = { authorization: `Basic ${btoa(`${name}:${password}`)}` };
    const request = { method: "GET", headers, remote: "10.0.0.1:7" } as unknown as HttpRequest;
    return this.#access.toKey(request, "/k", false);
  }
}

test("each wrong password of a user counts, and a right one forgives", async () => {
  const world = new World();
  assert.equal(await world.asks("u", "wrong"), false);
  assert.equal(await world.asks("u", "right"), true);
  assert.equal(await world.asks("nobody", "wrong"), false);
  const lane = "hash in u at 10.0.0.1:7";
  assert.deepEqual(world.events, [lane, "u failed", lane, "u succeeded"]);
});

test("who has failed too often is refused without a hash", async () => {
  const world = new World();
  world.isRefusing = true;
  await assert.rejects(world.asks("u", "right"), /too many requests/);
  assert.deepEqual(world.events, []);
});
