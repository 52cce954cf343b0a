/** Requests about the membership in both forms. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Request } from "../../api/gen/etcdserver.ts";
import { RequestIDGenerator } from "../../base/id-generator.ts";
import { attributesRequest, clusterVersionRequest } from "./membership-requests.ts";
import { RaftField } from "../log/raft-request.ts";
import { translateV2Request } from "../log/v2-entries.ts";

/** From the log of etcd 3.4.23. */
const ATTRIBUTES =
  "08829482f7c7bfe8b7ef0112035055541a262f302f6d656d626572732f343734663866643664613733656636662f6174" +
  "747269627574657322357b226e616d65223a226d31222c22636c69656e7455524c73223a5b22687474703a2f2f" +
  "3132372e302e302e313a3238333739225d7d2800320038004800500058006000680070007800800100";
const VERSION =
  "08849482f7c7bfe8b7ef0112035055541a0a2f302f76657273696f6e2205332e342e3028003200380048005000" +
  "58006000680070007800800100";

const SELF = 0x474f_8fd6_da73_ef6fn;

const server = { memberID: SELF, ids: new RequestIDGenerator(SELF, 0) };

/** With the id of the recorded request, since ids differ from run to run. */
function withID(body: Uint8Array, recorded: string): string {
  const { ID } = Request.decode(Buffer.from(recorded, "hex"));
  return Buffer.from(Request.encode({ ...Request.decode(body), ID })).toString("hex");
}

test("what goes to members of etcd 3.4 are the bytes that they write themselves", () => {
  const urls = ["http://127.0.0.1:28379"];
  const attributes = attributesRequest(server, "v2", "m1", urls);
  assert.deepEqual([attributes.field, attributes.api], [RaftField.v2, "v2"]);
  assert.equal(withID(attributes.body, ATTRIBUTES), ATTRIBUTES);
  const version = clusterVersionRequest(server, "v2", "3.4.0");
  assert.deepEqual([version.field, version.api], [RaftField.v2, "v2"]);
  assert.equal(withID(version.body, VERSION), VERSION);
  assert.notEqual(Request.decode(version.body).ID, 0n);
});

test("the v2 form means the same as the other", () => {
  const urls = ["http://a:1", "http://b:2"];
  const { body } = attributesRequest(server, "v2", "n<1>", urls);
  const meaning = translateV2Request(body);
  assert.deepEqual(meaning, {
    id: meaning.id,
    field: RaftField.clusterMemberAttrSet,
    request: {
      memberID: 0x474f_8fd6_da73_ef6fn,
      memberAttributes: { name: "n<1>", clientUrls: urls },
    },
  });
  const version = clusterVersionRequest(server, "v2", "3.6.0");
  const versionMeaning = translateV2Request(version.body);
  assert.deepEqual(versionMeaning, {
    id: versionMeaning.id,
    field: RaftField.clusterVersionSet,
    request: { ver: "3.6.0" },
  });
});
