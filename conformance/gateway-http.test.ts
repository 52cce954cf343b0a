/**
 * The same HTTP requests to a reference etcd and to ours: status, headers and bodies must be equal
 * (the form of error bodies apart, which 3.6 has changed), except for the exact list in
 * gateway-differences.ts. A difference that is not listed fails, and so does a listed one that is
 * gone or has changed.
 *
 * `GATEWAY_DIFFERENCES=print` prints the list as it is now.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { GATEWAY_CASES, type GatewayCase } from "./gateway-cases.ts";
import { GATEWAY_DIFFERENCES, type GatewayDifference } from "./gateway-differences.ts";
import { type EtcdProcess, missing, startEtcd, versionOf } from "./harness.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const CORS_HEADERS = {
  "access-control-allow-headers": "accept, content-type, authorization",
  "access-control-allow-methods": "POST, GET, OPTIONS, PUT, DELETE",
  "access-control-allow-origin": "*",
};
const COMPARED_HEADERS = [
  "allow",
  "content-type",
  "grpc-metadata-content-type",
  "location",
  "www-authenticate",
  "x-content-type-options",
];

/** A case's answer in one text: status, headers, body, with identities blanked. */
async function answerOf(etcd: EtcdProcess, gatewayCase: GatewayCase): Promise<string> {
  const { path, body, headers, lines } = gatewayCase;
  const method = gatewayCase.method ?? (body === undefined ? "GET" : "POST");
  const abort = new AbortController();
  const timer = globalThis.setTimeout(() => abort.abort(), PATIENCE_MS);
  try {
    const response = await fetch(etcd.clientUrl + path, {
      method,
      redirect: "manual",
      signal: abort.signal,
      ...(body === undefined ? {} : { body }),
      headers: { "content-type": "application/json", ...headers },
    });
    const shown = COMPARED_HEADERS.filter((name) => response.headers.has(name)).map(
      (name) => `${name}: ${response.headers.get(name)}`,
    );
    const text = lines === undefined ? await response.text() : await readLines(response, lines);
    for (const [name, value] of Object.entries(CORS_HEADERS)) {
      assert.equal(response.headers.get(name), value, `${etcd.kind}: ${name} of ${path}`);
    }
    return [String(response.status), ...shown, comparable(text)].join(" | ");
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

async function readLines(response: Response, count: number): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (text.split("\n").length > count) break;
  }
  return text.split("\n").slice(0, count).join("\n");
}

/** Without identities, without a random space, and with the error form of 3.4 as that of 3.6. */
function comparable(text: string): string {
  return text
    .replace(/\{"error":("[\s\S]*"),"message":\1,"code":(\d+)\}$/, '{"code":$2,"message":$1}')
    .replace(/"(cluster_id|member_id|leader|raft_term)":"\d+"/g, '"$1":"…"')
    .replace(/"ID":"\d{10,}"/g, '"ID":"…"')
    .replace(/proto:\u00a0/g, "proto: ");
}

/** Until then, /version and what depends on it are in motion. */
async function clusterVersionDecided(etcd: EtcdProcess): Promise<void> {
  for (;;) {
    const text = await (await fetch(`${etcd.clientUrl}/version`)).text();
    if (!text.includes("not_decided") && !text.includes("unknown")) return;
    await setTimeout(50);
  }
}

/** "3.4", "3.6" ... */
const referenceSeries = versionOf("reference")?.split(".").slice(0, 2).join(".") ?? "";

test(
  "every answer equals the reference's, or is a listed difference",
  {
    skip: missing("reference", "ours"),
  },
  async () => {
    await using reference = await startEtcd({ kind: "reference" });
    await using ours = await startEtcd({ kind: "ours" });
    await Promise.all([clusterVersionDecided(reference), clusterVersionDecided(ours)]);
    const found: Record<string, GatewayDifference> = {};
    for (const gatewayCase of GATEWAY_CASES) {
      const expected = await answerOf(reference, gatewayCase);
      const actual = await answerOf(ours, gatewayCase);
      if (expected !== actual) found[gatewayCase.name] = { reference: expected, ours: actual };
    }
    if (process.env.GATEWAY_DIFFERENCES === "print") {
      console.log(`"${referenceSeries}": ${JSON.stringify(found, undefined, 2)}`);
      return;
    }
    const known = GATEWAY_DIFFERENCES[referenceSeries];
    assert.ok(known !== undefined, `no list of differences for etcd ${referenceSeries}`);
    assert.deepEqual(found, known);
  },
);

test("names of cases are different", () => {
  assert.equal(new Set(GATEWAY_CASES.map(({ name }) => name)).size, GATEWAY_CASES.length);
});

interface Family {
  readonly type: string;
  readonly labels: ReadonlySet<string>;
}

async function metricFamilies(etcd: EtcdProcess): Promise<Map<string, Family>> {
  const text = await (await fetch(`${etcd.clientUrl}/metrics`)).text();
  const families = new Map<string, Family>();
  let current: { name: string; labels: Set<string> } | undefined;
  for (const line of text.split("\n")) {
    const [, name = "", type = ""] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (name !== "") {
      current = { name, labels: new Set() };
      families.set(name, { type, labels: current.labels });
    } else if (!line.startsWith("#")) {
      for (const [, label = ""] of line.matchAll(/[{,](\w+)="/g)) current?.labels.add(label);
    }
  }
  return families;
}

test(
  "metrics that share a name with the reference's share type and labels",
  {
    skip: missing("reference", "ours"),
  },
  async () => {
    await using reference = await startEtcd({ kind: "reference" });
    await using ours = await startEtcd({ kind: "ours" });
    const theirs = await metricFamilies(reference);
    let shared = 0;
    for (const [name, family] of await metricFamilies(ours)) {
      const expected = theirs.get(name);
      if (expected === undefined) continue;
      shared++;
      assert.equal(family.type, expected.type, name);
      assert.deepEqual([...family.labels].sort(), [...expected.labels].sort(), name);
    }
    assert.ok(shared >= 30, `only ${shared} shared metrics`);
  },
);
