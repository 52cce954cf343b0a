import assert from "node:assert/strict";
import { test } from "node:test";
import { TextError } from "./go-text.ts";
import {
  advertiseProblem,
  bindProblem,
  formatInitialCluster,
  formatUrls,
  parseEtcdUrl,
  parseEtcdUrls,
  parseInitialCluster,
} from "./etcd-url.ts";

test("addresses are taken apart", () => {
  assert.deepEqual(parseEtcdUrl(" https://[::1]:2379 "), {
    scheme: "https",
    host: "[::1]:2379",
    hostname: "::1",
    port: 2379,
    path: "",
    href: "https://[::1]:2379",
  });
  assert.equal(parseEtcdUrl("HTTP://a:1").href, "http://a:1");
  assert.equal(parseEtcdUrl("http://localhost:").port, 0);
  const socket = parseEtcdUrl("unix:///run/etcd.sock");
  assert.deepEqual([socket.scheme, socket.host, socket.path], ["unix", "", "/run/etcd.sock"]);
  assert.equal(parseEtcdUrl("unix://localhost:2379").host, "localhost:2379");
});

test("malformed addresses are refused in etcd's words", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["", "URL scheme must be http, https, unix, or unixs: "],
    ["foo", "URL scheme must be http, https, unix, or unixs: foo"],
    ["localhost:2379", "URL scheme must be http, https, unix, or unixs: localhost:2379"],
    ["ftp://1.1.1.1:1", "URL scheme must be http, https, unix, or unixs: ftp://1.1.1.1:1"],
    ["http://1.1.1.1", 'URL address does not have the form "host:port": http://1.1.1.1'],
    ["http://[::1]", 'URL address does not have the form "host:port": http://[::1]'],
    ["http://::1:2379", 'URL address does not have the form "host:port": http://::1:2379'],
    ["http://1.1.1.1:1/", "URL must not contain a path: http://1.1.1.1:1/"],
    ["127.0.0.1:2379", 'parse "127.0.0.1:2379": first path segment in URL cannot contain colon'],
    [":2379", 'parse ":2379": missing protocol scheme'],
    ["http://a:b", 'parse "http://a:b": invalid port ":b" after host'],
    ["http://[::1", `parse "http://[::1": missing ']' in host`],
    ["http://a b:1", 'parse "http://a b:1": invalid character " " in host name'],
    ["http://a%:1", 'parse "http://a%:1": invalid URL escape "%:1"'],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parseEtcdUrl(text), new TextError(message), text);
  }
});

test("a list is sorted and free of repeats", () => {
  const urls = parseEtcdUrls("http://b:1, http://a:2,http://b:1");
  assert.equal(formatUrls(urls), "http://a:2,http://b:1");
});

test("an initial cluster may name several addresses of one member", () => {
  const members = parseInitialCluster("b=http://x:1,a=http://z:1,a=http://y:1,");
  assert.deepEqual(
    [...members].map(([name, urls]) => `${name}:${formatUrls(urls)}`),
    ["b:http://x:1", "a:http://y:1,http://z:1"],
  );
  assert.equal(formatInitialCluster("", parseEtcdUrls("http://a:1")), "default=http://a:1");
  assert.throws(() => parseInitialCluster("foo"), /URL scheme must be/);
});

test("only addresses and localhost can be bound", () => {
  const bind = (text: string) => bindProblem([parseEtcdUrl(text)]);
  for (const fine of ["http://0.0.0.0:1", "http://[::]:1", "http://localhost:1", "unix://x"]) {
    assert.equal(bind(fine), undefined);
  }
  assert.equal(bind("http://foo:1"), "expected IP in URL for binding (http://foo:1)");
  assert.equal(bind("http://:1"), "expected IP in URL for binding (http://:1)");
  assert.equal(
    bind("http://[fe80::1%25lo]:1"),
    "expected IP in URL for binding (http://[fe80::1%25lo]:1)",
  );
});

test("an advertised address names a host", () => {
  assert.equal(advertiseProblem(parseEtcdUrls("http://foo:1")), undefined);
  assert.equal(advertiseProblem(parseEtcdUrls("http://:1")), "unexpected empty host (http://:1)");
});
