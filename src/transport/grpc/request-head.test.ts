/** Heads and bodies that grpc-go refuses, with its codes and words. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CoreHarness } from "../testing/core-harness.ts";
import {
  block,
  data,
  END_HEADERS,
  END_STREAM,
  type Frame,
  GRPC_HEAD,
  grpcHead,
  headers,
  message,
} from "../testing/raw-frames.ts";

type Fields = readonly [string, string][];

/** ":status grpc-status grpc-message" of the answer to a request. */
function answer(head: Uint8Array, body: Uint8Array = message("x")): string {
  const harness = new CoreHarness();
  const frames = harness.feed(headers(1, head, END_HEADERS), data(1, body, END_STREAM));
  const last = frames.filter((frame: Frame) => frame.type === 1).pop();
  if (last === undefined) return "no answer";
  const decoded = harness.parser.decode(last);
  const status = decoded.status === 0 ? "" : `${decoded.status} `;
  return `${status}${decoded.get("grpc-status")} ${decoded.get("grpc-message") ?? ""}`;
}

const withFields = (...more: Fields): Buffer =>
  Buffer.concat([block(Object.entries(GRPC_HEAD)), block(more)]);
const withPath = (path: string): Buffer => block({ ...GRPC_HEAD, ":path": path });

test("a path that is none names no method", () => {
  for (const path of ["test.Echo/Echo", "noslash", "", "/", "/a", "*"]) {
    const text = `200 12 malformed method name: ${JSON.stringify(path)}`;
    assert.equal(answer(withPath(path)), text);
  }
  assert.equal(answer(withPath("/x.Y/Z")), "200 12 unknown service x.Y");
});

test("a timeout that has passed is no call, and a malformed one is told", () => {
  for (const timeout of ["0n", "0S", "1n", "999n"]) {
    const late = answer(withFields(["grpc-timeout", timeout]));
    assert.equal(late, "200 4 context deadline exceeded");
  }
  assert.equal(answer(withFields(["grpc-timeout", "1H"])), "0 ");
  const bad = answer(withFields(["grpc-timeout", "1x"]));
  const reason = 'transport: timeout unit is not recognized: "1x"';
  assert.equal(bad, `400 13 malformed grpc-timeout: ${reason}`);
});

test("binary metadata must be base64", () => {
  assert.equal(answer(withFields(["x-bin", "YQ"], ["y-bin", "YQ=="], ["z-bin", ""])), "0 ");
  assert.equal(
    answer(withFields(["x-bin", "YQ="])),
    '400 13 malformed binary metadata "YQ=" in header "x-bin": illegal base64 data at input byte 2',
  );
});

test("there is one host", () => {
  assert.equal(answer(withFields(["host", "b"])), "0 ");
  const words = "both must only have 1 value as per HTTP/2 spec";
  assert.equal(
    answer(withFields(["host", "a"], ["host", "a"])),
    `400 13 num values of :authority: 1, num values of host: 2, ${words}`,
  );
});

test("a call without its message", () => {
  const empty = new Uint8Array(0);
  const violation = "200 13 cardinality violation: received";
  assert.equal(answer(grpcHead("Echo"), empty), "200 2 EOF");
  assert.equal(answer(grpcHead("Echo"), message("x").subarray(0, 3)), "200 2 EOF");
  assert.equal(answer(grpcHead("Echo"), message("xy").subarray(0, 6)), "200 2 unexpected EOF");
  assert.equal(
    answer(grpcHead("Repeat"), empty),
    `${violation} no request message from non-client-streaming RPC`,
  );
  assert.equal(
    answer(grpcHead("Repeat"), Buffer.concat([message("1"), message("1")])),
    `${violation} multiple request messages for non-client-streaming RPC`,
  );
  assert.equal(answer(grpcHead("Bidi"), empty), "200 0 ");
  assert.equal(answer(grpcHead("Repeat"), message("1")), "0 ");
});
