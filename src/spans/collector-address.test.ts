import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCollectorAddress } from "./collector-address.ts";

test("addresses of collectors are those of gRPC", () => {
  const taken = {
    "localhost:4317": { host: "localhost", port: 4317 },
    "10.0.0.1:4317": { host: "10.0.0.1", port: 4317 },
    "[::1]:4317": { host: "::1", port: 4317 },
    "collector.example": { host: "collector.example", port: 443 },
    ":4317": { host: "localhost", port: 4317 },
    "dns:///collector:1": { host: "collector", port: 1 },
    "passthrough:///collector:1": { host: "collector", port: 1 },
    "unix:///run/otel.sock": { host: "/run/otel.sock", port: undefined },
    "unix:otel.sock": { host: "otel.sock", port: undefined },
  };
  for (const [text, address] of Object.entries(taken)) {
    assert.deepEqual(parseCollectorAddress(text), address, text);
  }
  for (const text of ["", "http://localhost:4317", "a:b", "a:0", "a:65536", "::1", "a b:1"]) {
    assert.equal(parseCollectorAddress(text), undefined, text);
  }
});
