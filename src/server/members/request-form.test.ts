/**
 * A new cluster of this server with Go members: those of 3.4 stop at the requests of 3.5 about the
 * membership, those of 3.7 at the older ones, so the members are asked before anything is written.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesFromUtf8 } from "../../base/bytes.ts";
import { type PeerRequest, PeerRequestError } from "../../env/index.ts";
import { MemoryLogger, NoPeers, VirtualClock } from "../../env/testing/index.ts";
import { RequestForms, SILENT_MEMBER_PATIENCE_MS } from "./request-form.ts";

const SELF = 1n;

/** `versions` are those of the others; undefined for one that does not answer. */
function world(versions: (string | undefined)[], clusterVersion?: string) {
  const clock = new VirtualClock();
  const members = [SELF, ...versions.map((_, i) => BigInt(i + 2))];
  const asked: string[] = [];
  const network = Object.assign(new NoPeers(), {
    request: async ({ url, path }: PeerRequest) => {
      asked.push(path);
      const server = versions[Number(url) - 2];
      if (server === undefined) throw new PeerRequestError("unreachable", "connection refused");
      const body = bytesFromUtf8(JSON.stringify({ etcdserver: server, etcdcluster: "" }));
      return { status: 200, headers: {}, body };
    },
  });
  const attributes = { isLearner: false, name: "", clientURLs: [] };
  const cluster = {
    version: clusterVersion,
    members: members.map((id) => ({ id, peerURLs: [String(id)], ...attributes })),
  };
  const logger = new MemoryLogger();
  const { signal: stopSignal } = new AbortController();
  const server = { clock, cluster, logger, memberID: SELF, network, stopSignal };
  const forms = new RequestForms(server, 7000);
  return { forms, clock, asked, versions };
}

function choose(w: ReturnType<typeof world>): Promise<[string, number]> {
  return outcome(w.clock, w.forms.choose());
}

/** What it comes to, and how long that takes. */
async function outcome<T>(clock: VirtualClock, waiting: Promise<T>): Promise<[T, number]> {
  let result: { readonly value: T } | undefined;
  const startMs = clock.nowMs();
  void waiting.then((value) => {
    result = { value };
  });
  while (result === undefined) {
    await new Promise((resolve) => setImmediate(resolve));
    if (result === undefined) clock.advance(100);
  }
  return [result.value, clock.nowMs() - startMs];
}

async function formOf(versions: (string | undefined)[], clusterVersion?: string): Promise<string> {
  return (await choose(world(versions, clusterVersion)))[0];
}

test("the form of 3.5 is used unless a member says that it is older", async () => {
  assert.equal(await formOf([]), "v3");
  assert.equal(await formOf(["3.6.14", "3.7.1"]), "v3");
  assert.equal(await formOf(["3.5.33", "3.7.1"], "3.0.0"), "v3");
  assert.equal(await formOf(["3.4.23", "3.6.14"]), "v2");
  assert.equal(await formOf(["3.6.14", "3.4.23"], "3.4.0"), "v2");
});

test("nobody is asked once the cluster has a version that all know", async () => {
  const w = world(["3.4.23"], "3.5.0");
  assert.deepEqual(await choose(w), ["v3", 0]);
  assert.deepEqual(w.asked, []);
});

test("a member that does not answer is waited for, once and not for ever", async () => {
  const silent = world(["3.6.14", undefined]);
  const [form, waitedMs] = await choose(silent);
  assert.equal(form, "v3");
  assert.ok(waitedMs >= SILENT_MEMBER_PATIENCE_MS, String(waitedMs));
  assert.deepEqual((await choose(silent))[0], "v3");
  const late = world([undefined]);
  const choosing = choose(late);
  await new Promise((resolve) => setImmediate(resolve));
  late.versions[0] = "3.4.23";
  assert.equal((await choosing)[0], "v2");
});

// 3.4 takes a hash that stands alone for an empty password, with which anybody could log in.
test("hashes stand alone only when every member is known to read them", async () => {
  const reads = async (versions: (string | undefined)[], clusterVersion?: string) => {
    const { forms, clock } = world(versions, clusterVersion);
    return (await outcome(clock, forms.allReadHashes()))[0];
  };
  assert.equal(await reads([]), true);
  assert.equal(await reads(["3.6.14", "3.5.33"], "3.4.0"), true);
  assert.equal(await reads(["3.6.14", "3.4.23"], "3.4.0"), false);
  assert.equal(await reads(["3.6.14", undefined], "3.4.0"), false);
  assert.equal(await reads([undefined], "3.5.0"), true);
});
