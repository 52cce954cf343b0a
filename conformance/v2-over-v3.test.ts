/**
 * The v2 API over v3 keys: the same requests in the same order to a reference etcd and to ours.
 * Status, index and body must be equal but for the steps named here, and so must the v3 keys be.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type EtcdProcess, missing, startEtcd } from "./harness.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const FLAGS = ["--enable-v2", "--experimental-enable-v2v3=/pre"];

/** "METHOD path [form]"; "!" before it: the answers differ, as `docs/differences.md` says. */
const LINES = `
GET /
GET /?recursive=true
GET /a
HEAD /a
PUT /a value=1
PUT /a value=2
GET /a
GET /a?quorum=true
HEAD /a
GET /a/b
PUT /a/b value=1
PUT /d/e/f value=1
PUT /d/e/g value=2
PUT /d/_h/i value=3
GET /d
GET /d?recursive=true
GET /d?recursive=true&sorted=true
GET /?recursive=true
PUT /d value=1
PUT /d dir=true
PUT /d dir=true&value=x
PUT /a dir=true
PUT /new dir=true
PUT /new dir=true&prevExist=false
PUT /new/dir dir=true&prevExist=false
GET /new
PUT /ü value=ü%20%3Cx%3E
GET /ü
PUT / value=1
PUT /?dir=true
DELETE /
POST / value=1
PUT /c prevExist=false&value=1
PUT /c prevExist=false&value=1
PUT /a/x prevExist=false&value=1
PUT /c prevExist=true&value=2
PUT /none prevExist=true&value=2
PUT /d prevExist=true&value=2
PUT /c prevValue=2&value=3
PUT /c prevValue=2&value=4
PUT /c prevIndex=1&value=4
PUT /c prevIndex=1&prevValue=x&value=4
PUT /c prevValue=3&prevIndex=1&value=4
PUT /none prevValue=3&value=4
PUT /d prevValue=3&value=4
PUT /t value=1&ttl=5
PUT /t value=1&ttl=0
PUT /t prevExist=false&value=1&ttl=5
PUT /c prevExist=true&refresh=true&ttl=5
PUT /c prevValue=3&value=4&ttl=5
POST /t value=1&ttl=5
DELETE /none
DELETE /none?dir=true
DELETE /none?recursive=true
DELETE /c?prevValue=x
DELETE /c?prevIndex=1
DELETE /none?prevValue=3
DELETE /d?prevValue=3
DELETE /c?dir=true
DELETE /c?recursive=true
DELETE /c?prevValue=3
DELETE /a
DELETE /d
DELETE /d?dir=true
PUT /lone dir=true
!DELETE /lone?dir=true
!DELETE /d?recursive=true
GET /d
GET /?recursive=true
PUT /w value=1
GET /w?wait=1x
GET /w?stream=true
PUT /w value=2&noValueOnSuccess=true
PATCH /w
`;

async function answerTo({ clientUrl }: EtcdProcess, line: string): Promise<string> {
  const [method = "", path = "", form] = line.split(" ");
  const response = await fetch(`${clientUrl}/v2/keys${encodeURI(path)}`, {
    method,
    ...(form === undefined
      ? {}
      : { body: form, headers: { "content-type": "application/x-www-form-urlencoded" } }),
  });
  const index = response.headers.get("x-etcd-index");
  return `${line}\n${response.status} ${index} ${await response.text()}`;
}

async function v3Keys({ clientUrl }: EtcdProcess): Promise<unknown> {
  const body = JSON.stringify({ key: "AA==", range_end: "AA==" });
  const response = await fetch(`${clientUrl}/v3/kv/range`, { method: "POST", body });
  return ((await response.json()) as { readonly kvs: unknown }).kvs;
}

/** Waits for the next change below a path, and makes it. */
async function waitedFor(etcd: EtcdProcess, path: string, change: string): Promise<string> {
  const response = await fetch(`${etcd.clientUrl}/v2/keys${path}`);
  await answerTo(etcd, change);
  return `${response.headers.get("x-etcd-index")} ${await response.text()}`;
}

test(
  "the v2 API over v3 keys answers as etcd's, and leaves the same v3 keys",
  { skip: missing("reference", "ours"), timeout: PATIENCE_MS },
  async () => {
    await using theirs = await startEtcd({ kind: "reference", flags: FLAGS });
    await using ours = await startEtcd({ kind: "ours", flags: FLAGS });
    for (const marked of LINES.trim().split("\n")) {
      const isDifferent = marked.startsWith("!");
      const line = isDifferent ? marked.slice(1) : marked;
      const expected = await answerTo(theirs, line);
      const actual = await answerTo(ours, line);
      if (process.env.ETCD_V2_DIFFERENCES === "print") {
        if (actual !== expected) console.log(`--- reference: ${expected}\n+++ ours: ${actual}\n`);
      } else if (isDifferent) assert.notEqual(actual, expected);
      else assert.equal(actual, expected);
    }
    for (const [path, change] of [
      ["/w?wait=true", "PUT /w value=3"],
      ["/?wait=true&recursive=true", "PUT /w value=4"],
      ["/x?wait=true&recursive=true", "PUT /x/y/z value=5"],
      ["/w?wait=true", "PUT /w prevValue=4&value=6"],
      ["/w?wait=true", "DELETE /w"],
    ] as const) {
      const expected = await waitedFor(theirs, path, change);
      assert.equal(await waitedFor(ours, path, change), expected);
    }
    assert.deepEqual(await v3Keys(ours), await v3Keys(theirs));
  },
);
