/**
 * One history of raw calls of the Lock and Election services on a new member, step by step; what
 * each step is answered, in a form that can be compared. Lease ids that a member chooses are masked.
 */
import type { KeyValue } from "../src/api/gen/kv.ts";
import type { RpcPath } from "../src/api/gen/services.ts";
import { bytes, RpcClient, text } from "../src/embed/e2e/rpc-client.ts";
import { until, within } from "../src/embed/e2e/wait.ts";
import { RpcError } from "../src/transport/client/rpc-error.ts";

export type Outcome = readonly [step: string, said: unknown];

const LOCK = "/v3lockpb.Lock/Lock";
const UNLOCK = "/v3lockpb.Lock/Unlock";
const CAMPAIGN = "/v3electionpb.Election/Campaign";
const PROCLAIM = "/v3electionpb.Election/Proclaim";
const LEADER = "/v3electionpb.Election/Leader";
const OBSERVE = "/v3electionpb.Election/Observe";
const RESIGN = "/v3electionpb.Election/Resign";

/** Leases of the history, and one that is never granted. */
const [A, B, C, NONE] = [0x1001n, 0x1002n, 0x1003n, 0x999n];
const FAR_MS = 60_000;

export class LockHistory {
  readonly outcomes: Outcome[] = [];
  readonly #client: RpcClient;

  private constructor(client: RpcClient) {
    this.#client = client;
  }

  static async play(port: number): Promise<readonly Outcome[]> {
    const client = await RpcClient.connect(port);
    try {
      const history = new LockHistory(client);
      for (const lease of [A, B, C]) await client.grant(600, lease);
      await history.#locks();
      await history.#lostLocks();
      await history.#elections();
      await history.#observation();
      await history.#mistakes();
      return history.outcomes;
    } finally {
      client.close();
    }
  }

  async #locks(): Promise<void> {
    const name = bytes("lock");
    await this.#say("lock with a lease", this.#call(LOCK, { name, lease: A }));
    await this.#say("the same lock again", this.#call(LOCK, { name, lease: A }));
    const second = this.#call(LOCK, { name, lease: B });
    await this.#keys("lock/", 2);
    const third = this.#call(LOCK, { name, lease: C });
    await this.#keys("lock/", 3);
    await this.#say("unlock", this.#call(UNLOCK, { key: bytes("lock/1001") }));
    await this.#say("the second in line", second);
    await this.#say("unlock the second", this.#call(UNLOCK, { key: bytes("lock/1002") }));
    await this.#say("the third in line", third);
    await this.#say("unlock what is not locked", this.#call(UNLOCK, { key: bytes("lock/1002") }));
    await this.#say("unlock the third", this.#call(UNLOCK, { key: bytes("lock/1003") }));
    await this.#say("lock without a lease", this.#call(LOCK, { name: bytes("own") }));
    const { kvs } = await this.#client.range("own/", { rangeEnd: bytes("own0") });
    const [kv] = kvs;
    const { TTL, grantedTTL } = await this.#client.call("/etcdserverpb.Lease/LeaseTimeToLive", {
      ID: kv?.lease ?? 0n,
    });
    this.outcomes.push([
      "its lease",
      {
        TTL: TTL > 30,
        grantedTTL,
        isNamed: text(kv?.key ?? bytes("")) === `own/${kv?.lease.toString(16)}`,
      },
    ]);
    await this.#say("a lock without a name", this.#call(LOCK, { lease: A }));
    await this.#say("unlock it", this.#call(UNLOCK, { key: bytes("/1001") }));
  }

  async #lostLocks(): Promise<void> {
    const name = bytes("lost");
    await this.#say("hold", this.#call(LOCK, { name, lease: A }));
    await this.#say("a deadline in the line of a lock", this.#call(LOCK, { name, lease: B }, 300));
    await this.#keys("lost/", 1);
    const cancel = new AbortController();
    const waiting = this.#call(LOCK, { name, lease: B }, FAR_MS, cancel.signal);
    await this.#keys("lost/", 2);
    cancel.abort();
    await waiting.catch(() => undefined);
    await this.#keys("lost/", 1);
    await this.#client.grant(600, 0x2001n);
    const expired = this.#call(LOCK, { name, lease: 0x2001n });
    await this.#keys("lost/", 2);
    await this.#client.call("/etcdserverpb.Lease/LeaseRevoke", { ID: 0x2001n });
    await this.#say("release", this.#call(UNLOCK, { key: bytes("lost/1001") }));
    await this.#say("whose lease is gone", expired);
  }

  async #elections(): Promise<void> {
    const name = bytes("vote");
    await this.#say("no leader", this.#call(LEADER, { name }));
    await this.#say("campaign", this.#call(CAMPAIGN, { name, lease: A, value: bytes("a") }));
    await this.#say("leader", this.#call(LEADER, { name }));
    await this.#say("again", this.#call(CAMPAIGN, { name, lease: A, value: bytes("a") }));
    await this.#say("again, other", this.#call(CAMPAIGN, { name, lease: A, value: bytes("a2") }));
    const { kvs } = await this.#client.range("vote/1001");
    const rev = kvs[0]?.createRevision ?? 0;
    const leader = { name, key: bytes("vote/1001"), rev, lease: A };
    await this.#say("proclaim", this.#call(PROCLAIM, { leader, value: bytes("a3") }));
    await this.#say(
      "proclaim of the past",
      this.#call(PROCLAIM, { leader: { ...leader, rev: rev - 1 }, value: bytes("x") }),
    );
    const next = this.#call(CAMPAIGN, { name, lease: B, value: bytes("b") });
    await this.#keys("vote/", 2);
    await this.#say(
      "a deadline in the line of candidates",
      this.#call(CAMPAIGN, { name, lease: C, value: bytes("c") }, 300),
    );
    await this.#keys("vote/", 2);
    await this.#say(
      "resign of the past",
      this.#call(RESIGN, { leader: { ...leader, rev: rev - 1 } }),
    );
    await this.#say("resign", this.#call(RESIGN, { leader }));
    await this.#say("the next", next);
    await this.#say("resign again", this.#call(RESIGN, { leader }));
    await this.#say("proclaim too late", this.#call(PROCLAIM, { leader, value: bytes("x") }));
    await this.#say("the new leader", this.#call(LEADER, { name }));
    await this.#say(
      "campaign of its own",
      this.#call(CAMPAIGN, { name: bytes("v0"), value: bytes("a") }),
    );
  }

  async #observation(): Promise<void> {
    const name = bytes("seen");
    const seen = this.#client.openWith(OBSERVE, { name });
    const next = async (step: string): Promise<void> => {
      const { header, kv } = await seen.next();
      this.outcomes.push([step, { revision: header?.revision, kv: shown(kv) }]);
    };
    const put = async (lease: bigint, value: string): Promise<void> => {
      await this.#client.put(`seen/${lease.toString(16)}`, value, { lease });
    };
    await put(A, "a");
    await next("the first leader");
    await put(A, "a2");
    await next("its second value");
    await put(B, "b");
    await put(B, "b2");
    await this.#client.deleteRange("seen/1001");
    await next("the second leader");
    await this.#client.deleteRange("seen/1002");
    await put(C, "c");
    await next("the third");
    const late = this.#client.openWith(OBSERVE, { name });
    const { kv } = await late.next();
    this.outcomes.push(["seen later", shown(kv)]);
    seen.raw.cancel();
    late.raw.cancel();
  }

  async #mistakes(): Promise<void> {
    const name = bytes("wrong");
    const lease = NONE;
    await this.#say("lock, unknown lease", this.#call(LOCK, { name, lease }));
    await this.#say("campaign, unknown lease", this.#call(CAMPAIGN, { name, lease }));
    await this.#say("proclaim, nothing", this.#call(PROCLAIM, {}));
    await this.#say("resign, nothing", this.#call(RESIGN, {}));
    await this.#say("unlock, nothing", this.#call(UNLOCK, {}));
    await this.#say("lock, negative lease", this.#call(LOCK, { name, lease: -1n }));
    const leader = { name, key: bytes("wrong/1"), rev: 0, lease };
    await this.#say("proclaim, no key there", this.#call(PROCLAIM, { leader, value: bytes("x") }));
    await this.#say(
      "resign, empty key",
      this.#call(RESIGN, { leader: { ...leader, key: bytes("") } }),
    );
    await this.#say(
      "proclaim, empty key",
      this.#call(PROCLAIM, { leader: { ...leader, key: bytes("") } }),
    );
    const big = new Uint8Array(1_700_000);
    await this.#say("campaign, large value", this.#call(CAMPAIGN, { name, lease: A, value: big }));
    await this.#say("lock, large name", this.#call(LOCK, { name: big, lease: A }));
  }

  #call<P extends RpcPath>(
    path: P,
    request: Parameters<typeof RpcClient.prototype.call<P>>[1],
    timeoutMs = FAR_MS,
    signal?: AbortSignal,
  ): Promise<unknown> {
    const deadlineMs = this.#client.connection.nowMs() + timeoutMs;
    return this.#client.call(path, request, { deadlineMs, ...(signal && { signal }) });
  }

  async #say(step: string, answer: Promise<unknown>): Promise<void> {
    this.outcomes.push([step, await within(answer.then(plain, failure), step)]);
  }

  /** Waits until so many keys stand in a line. */
  async #keys(prefix: string, count: number): Promise<void> {
    const rangeEnd = bytes(`${prefix.slice(0, -1)}0`);
    await until(
      async () => (await this.#client.range(prefix, { rangeEnd })).kvs.length === count,
      `${count} keys below ${prefix}`,
    );
  }
}

function failure(error: unknown): unknown {
  if (!(error instanceof RpcError)) throw error;
  return { code: error.code, message: error.message };
}

function shown(kv: KeyValue | undefined): unknown {
  return kv && [text(kv.key), text(kv.value), kv.createRevision, kv.modRevision, kv.version];
}

/** Without what differs from member to member. */
function plain(value: unknown, name = ""): unknown {
  if (value instanceof Uint8Array) return text(value).replace(/(own|v0)\/[0-9a-f]+$/, "$1/LEASE");
  if (typeof value === "bigint") return value > 0xffffffn ? "LEASE" : String(value);
  if (Array.isArray(value)) return value.map((each) => plain(each));
  if (typeof value !== "object" || value === null) return name === "raftTerm" ? "TERM" : value;
  const entries = Object.entries(value).filter(
    ([key]) => key !== "clusterId" && key !== "memberId",
  );
  return Object.fromEntries(entries.map(([key, each]) => [key, plain(each, key)]));
}
