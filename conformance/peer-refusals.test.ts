/** What a peer port refuses, and in which words: ours against the reference's, row by row. */
import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { test } from "node:test";
import { Message, MessageType } from "../src/api/gen/raft.ts";
import { formatID } from "../src/base/ids.ts";
import { missing } from "./harness.ts";
import { startPair } from "./peer-voter.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const OPTIONS = { skip: missing("reference"), timeout: 3 * PATIENCE_MS };

interface Question {
  readonly what: string;
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: Uint8Array;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

const COMPARED = ["content-type", "x-content-type-options", "allow", "x-etcd-cluster-id"];

function ask(url: string, question: Question, common: Record<string, string>): Promise<Answer> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries({ ...common, ...question.headers })) {
    if (value !== undefined) headers[name] = value;
  }
  const { method = "GET", path, body } = question;
  return new Promise((resolve, reject) => {
    const request = httpRequest(url + path, { method, headers, agent: false });
    request.on("error", reject);
    request.on("response", (response) => {
      const parts: Buffer[] = [];
      response.on("data", (chunk: Buffer) => parts.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const picked = COMPARED.map((name) => [name, response.headers[name]] as const);
        resolve({
          status: response.statusCode ?? 0,
          body: Buffer.concat(parts).toString(),
          headers: Object.fromEntries(picked) as Answer["headers"],
        });
      });
    });
    request.end(body);
  });
}

const OLD = { "x-server-version": "2.3.8" };
const NEW = { "x-server-version": "9.1.0", "x-min-cluster-version": "9.0.0" };
const STRANGER = { "x-etcd-cluster-id": "abc" };
const UNSAID = { "x-server-version": undefined, "x-min-cluster-version": undefined };

const ROWS: readonly Question[] = [
  ...["/raft", "/raft/snapshot", "/raft/stream/message/77", "/raft/stream/msgapp/77"].flatMap(
    (path): Question[] => {
      const method = path.includes("stream") ? "GET" : "POST";
      return [
        ...[OLD, NEW, STRANGER, UNSAID, { "x-etcd-cluster-id": undefined }].map((headers) => ({
          what: JSON.stringify(headers),
          path,
          method,
          headers,
        })),
        ...["GET", "POST", "PUT", "DELETE"]
          .filter((other) => other !== method)
          .map((other) => ({ what: other, path, method: other })),
      ];
    },
  ),
  { what: "stream kind", path: "/raft/stream/msgappv3/77" },
  { what: "stream depth", path: "/raft/stream/x/msgapp/77" },
  { what: "no id", path: "/raft/stream/message/" },
  { what: "no hexadecimal id", path: "/raft/stream/message/xyz" },
  { what: "id of 65 bits", path: "/raft/stream/message/10000000000000000" },
  { what: "unknown dialer", path: "/raft/stream/message/77" },
  { what: "no message", path: "/raft", method: "POST", body: Buffer.from("rubbish") },
  ...[
    ["nothing", ""],
    ["half a length", "00000000"],
    ["a length alone", "0000000000000010"],
    ["a length beyond all limits", "ffffffffffffffffaabb"],
    ["no length and no message", "0000000000000000"],
    ["a part of its message", "0000000000000010aabb"],
    ["a field that is cut off", "0000000000000002089f"],
    ["a wire type that is none", "00000000000000027f01"],
    ["another message", "00000000000000140808100018002000280030004000500058006800"],
  ].map(([what = "", hex = ""]) => ({
    what: `a snapshot: ${what}`,
    path: "/raft/snapshot",
    method: "POST",
    body: Buffer.from(hex, "hex"),
  })),
  { what: "another path", path: "/raft/other" },
];

test("the peer ports of both refuse with the same status, words and headers", OPTIONS, async () => {
  await using pair = await startPair("go");
  const { go, voter } = pair;
  const common = {
    "x-server-from": "77",
    "x-server-version": "3.4.0",
    "x-min-cluster-version": "3.0.0",
    "x-etcd-cluster-id": formatID(voter.clusterID),
    "x-raft-to": "1",
  };
  const [url] = voter.peerURLs();
  for (const row of ROWS) {
    const theirs = await ask(go.peerUrl, row, common);
    const ours = await ask(url as string, row, common);
    assert.deepEqual(ours, theirs, `${row.method ?? "GET"} ${row.path}: ${row.what}`);
  }
  // Whose id the path names must be known, so each side is asked in the other's name.
  const wrongTo = { what: "to", path: "" };
  for (const kind of ["message", "msgapp"]) {
    const path = (id: bigint): string => `/raft/stream/${kind}/${formatID(id)}`;
    const theirs = await ask(go.peerUrl, { ...wrongTo, path: path(voter.memberID) }, common);
    const ours = await ask(url as string, { ...wrongTo, path: path(voter.otherID) }, common);
    assert.deepEqual(ours, theirs);
    assert.equal(ours.status, 412);
  }
});

test("messages that are no message for the receiver are answered alike", OPTIONS, async () => {
  await using pair = await startPair("go");
  const { go, voter } = pair;
  const common = {
    "x-server-from": "77",
    "x-server-version": "3.4.0",
    "x-min-cluster-version": "3.0.0",
    "x-etcd-cluster-id": formatID(voter.clusterID),
  };
  const [url] = voter.peerURLs();
  const post = (peerUrl: string, to: bigint): Promise<Answer> =>
    ask(
      peerUrl,
      {
        what: "message",
        path: "/raft",
        method: "POST",
        body: Message.encode(Message.create({ type: MessageType.MsgVoteResp, from: 0x77n, to })),
      },
      common,
    );
  const accepted = [
    await post(url as string, voter.memberID),
    await post(go.peerUrl, voter.otherID),
  ];
  for (const { status, body } of accepted) assert.deepEqual([status, body], [204, ""]);
  assert.deepEqual(accepted[0]?.headers, accepted[1]?.headers);
});
