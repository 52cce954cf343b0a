import assert from "node:assert/strict";
import { test } from "node:test";
import { Request } from "../api/gen/etcdserver.ts";
import {
  attributesRequest,
  isMemberAttributes,
  isOwnRequest,
  membershipOfV2Request,
  versionRequest,
} from "./membership-requests.ts";

test("membership changes of old logs are found among the v2 requests", () => {
  const put = (Path: string, Val: string, Method = "PUT"): Request =>
    Request.create({ Method, Path, Val });
  const value = '{"name":"infra1","clientURLs":["http://127.0.0.1:2379"]}';
  const path = "/0/members/8211f1d0f64f3269/attributes";
  assert.deepEqual(membershipOfV2Request(put(path, value)), {
    kind: "memberAttributes",
    id: 0x8211f1d0f64f3269n,
    name: "infra1",
    clientURLs: ["http://127.0.0.1:2379"],
  });
  assert.deepEqual(membershipOfV2Request(put("/0/version", "3.4.0")), {
    kind: "clusterVersion",
    version: "3.4.0",
  });
  assert.equal(membershipOfV2Request(put("/1/user/key", "x")), undefined);
  assert.equal(membershipOfV2Request(put(path, "", "DELETE")), undefined);
  assert.equal(membershipOfV2Request(put("", "", "SYNC")), undefined);
  assert.throws(() => membershipOfV2Request(put(path, "{")), SyntaxError);
});

test("what members write is understood by members", () => {
  const urls = ["http://a:1", "http://b:2"];
  const request = Request.decode(Request.encode(attributesRequest(7n, 0xabcn, "m&m", urls)));
  assert.deepEqual([request.ID, request.Method], [7n, "PUT"]);
  assert.equal(request.Path, "/0/members/abc/attributes");
  assert.equal(request.Val, '{"name":"m\\u0026m","clientURLs":["http://a:1","http://b:2"]}');
  const read = { kind: "memberAttributes", id: 0xabcn, name: "m&m", clientURLs: urls };
  assert.deepEqual(membershipOfV2Request(request), read);
  assert.equal(attributesRequest(7n, 0xabcn, "", []).Val, "{}");
  const version = { kind: "clusterVersion", version: "3.4.0" };
  assert.deepEqual(membershipOfV2Request(versionRequest(8n, "3.4.0")), version);
});

test("the tools tell what the cluster writes from what users wrote", () => {
  const put = (Path: string, Method = "PUT"): Request => Request.create({ Method, Path });
  assert.ok(isMemberAttributes(put("/0/members/8211F1d0f64f3269/attributes")));
  assert.ok(!isMemberAttributes(put("/0/members/8211f1d0f64f3269/raftAttributes")));
  assert.ok(isOwnRequest(put("/0/version")));
  assert.ok(!isOwnRequest(put("/0/version", "DELETE")));
  assert.ok(!isOwnRequest(put("/1/version")));
});
