/** Embedding, the rules of a start, and what is refused for now. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError, createConfig, type EtcdConfigInput } from "./config.ts";
import { helpText } from "./help.ts";
import { formatUrls } from "../../base/etcd-url.ts";
import {
  autoCompactionOf,
  plainClientWarnings,
  plainPeerWarnings,
  startProblem,
} from "./verify.ts";

test("an embedded member advertises what it listens on and is its own cluster", () => {
  const config = createConfig({
    name: "m",
    listenClientUrls: ["http://127.0.0.1:0"],
    listenPeerUrls: ["http://127.0.0.1:7001"],
    quotaBackendBytes: 0,
    featureGates: { LeaseCheckpoint: true },
  });
  assert.equal(formatUrls(config.advertiseClientUrls), "http://127.0.0.1:0");
  assert.equal(config.initialCluster, "m=http://127.0.0.1:7001");
  assert.equal(config.dataDir, "m.etcd");
  assert.equal(config.quotaBackendBytes, 2 * 1024 ** 3);
  assert.equal(config.featureGates.LeaseCheckpoint, true);
});

test("an embedding program's mistakes are refused in etcd's words", () => {
  assert.throws(
    () => createConfig({ electionTimeoutMs: 100 }),
    new ConfigError(
      "--election-timeout[100ms] should be at least as 5 times as --heartbeat-interval[100ms]",
    ),
  );
  assert.throws(() => createConfig({ listenPeerUrls: ["nonsense"] }), /URL scheme must be/);
});

test("automatic compaction: hours, durations, revisions, off", () => {
  const of = (autoCompactionMode: string, autoCompactionRetention: string) =>
    autoCompactionOf(createConfig({ autoCompactionMode, autoCompactionRetention }));
  assert.deepEqual(of("periodic", "0"), { kind: "off" });
  assert.deepEqual(of("periodic", ""), { kind: "off" });
  assert.deepEqual(of("periodic", "2"), { kind: "periodic", periodMs: 7_200_000 });
  assert.deepEqual(of("periodic", "5m"), { kind: "periodic", periodMs: 300_000 });
  assert.deepEqual(of("revision", "1000"), { kind: "revision", revisions: 1000 });
  assert.throws(
    () => of("periodic", "abc"),
    /^TextError: error parsing CompactionRetention: time: invalid duration "abc"$/,
  );
});

const START_PROBLEMS: readonly (readonly [EtcdConfigInput, string | undefined])[] = [
  [
    { autoCompactionRetention: "x" },
    'error parsing CompactionRetention: time: invalid duration "x"',
  ],
  [{ cipherSuites: ["foo"] }, 'unexpected TLS cipher suite "foo"'],
  [
    { listenClientUrls: ["https://127.0.0.1:1"] },
    "TLS key/cert (--cert-file, --key-file) must be provided for client url https://127.0.0.1:1 with HTTPS scheme",
  ],
  [
    { listenPeerUrls: ["https://127.0.0.1:1"] },
    "cannot listen on TLS for 127.0.0.1:1: KeyFile and CertFile are not presented",
  ],
  [{ peerCertFile: "/x" }, "KeyFile and CertFile must both be present[key: , cert: /x]"],
  [
    {
      listenClientUrls: ["http://127.0.0.1:1"],
      listenClientHttpUrls: ["http://127.0.0.1:1"],
    },
    "cannot bind both --listen-client-urls and --listen-client-http-urls on the same url http://127.0.0.1:1",
  ],
  [
    {
      listenPeerUrls: ["https://127.0.0.1:1"],
      peerCertFile: "c",
      peerKeyFile: "k",
      peerCertAllowedCns: ["a"],
      peerCertAllowedHostnames: ["b", "c"],
    },
    'AllowedCNs and AllowedHostnames are mutually exclusive (cns=["a"], hostnames=["b" "c"])',
  ],
  [
    { listenClientUrls: ["https://127.0.0.1:1"], certFile: "/x" },
    "KeyFile and CertFile must both be present[key: , cert: /x]",
  ],
  [
    { initialCluster: "foo" },
    "error setting up initial cluster: URL scheme must be http, https, unix, or unixs: ",
  ],
  [
    { listenMetricsUrls: ["https://127.0.0.1:1"] },
    "client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url",
  ],
  // Without a TLS listener nobody looks at them, as in etcd.
  [{ certFile: "/x" }, undefined],
  [{ keyFile: "/x" }, undefined],
];

test("what only a start would notice is found before it", () => {
  assert.equal(startProblem(createConfig()), undefined);
  for (const [input, problem] of START_PROBLEMS) {
    assert.equal(startProblem(createConfig(input)), problem);
  }
});

test("the v2 API is served in the phase of 3.5 that serves it, said or not", () => {
  assert.equal(createConfig({ enableV2: true }).v2Deprecation, "not-yet");
  assert.equal(createConfig({ enableV2: true, v2Deprecation: "not-yet" }).enableV2, true);
  assert.equal(createConfig().v2Deprecation, "write-only");
  assert.equal(createConfig({ v2Deprecation: "not-yet" }).v2Deprecation, "write-only");
});

test("a certificate beside plain addresses is ignored with a warning for each", () => {
  const config = createConfig({
    certFile: "/x",
    listenClientUrls: ["http://127.0.0.1:1", "unix://a:2"],
  });
  const warnings = plainClientWarnings(config);
  assert.deepEqual(
    warnings.map(({ fields }) => fields?.["client-url"]),
    ["http://127.0.0.1:1", "unix://a:2"],
  );
  assert.deepEqual(plainClientWarnings(createConfig()), []);
  const peers = plainPeerWarnings(createConfig({ peerClientCertAuth: true, peerCertFile: "/c" }));
  assert.deepEqual(
    peers.map(({ message, fields }) => [message, fields?.["peer-url"]]),
    [
      [
        "scheme is HTTP while key and cert files are present; ignoring key and cert files",
        "http://localhost:2380",
      ],
      [
        "scheme is HTTP while --peer-client-cert-auth is enabled; ignoring client cert auth for this URL",
        "http://localhost:2380",
      ],
    ],
  );
});

test("the help has etcd's sections and shows each default", () => {
  const help = helpText();
  const titles = help.split("\n").filter((line) => /^\w.*:$/.test(line));
  assert.deepEqual(titles, [
    "Member:",
    "Clustering:",
    "v2 API and proxy:",
    "Security:",
    "Auth:",
    "Profiling and Monitoring:",
    "Dashboard:",
    "Logging:",
    "Experimental distributed tracing:",
    "Experimental feature:",
    "Unsafe feature:",
  ]);
  for (const line of [
    "  --name 'default'",
    "  --data-dir '$" + "{name}.etcd'",
    "  --max-concurrent-streams 'math.MaxUint32'",
    "  --grpc-keepalive-interval '2h'",
    "  --warning-unary-request-duration '300ms'",
    "    LeaseCheckpoint=true|false (ALPHA - default=false)",
  ]) {
    assert.ok(help.split("\n").includes(line), line);
  }
});

test("what a program without types gives by mistake is refused by name", () => {
  for (const [given, message] of [
    [{ dataDir: 5 }, "createConfig: dataDir is a string, not 5"],
    [{ name: null }, "createConfig: name is a string, not null"],
    [
      { listenClientUrls: "http://a:1" },
      "createConfig: listenClientUrls is a list, not http://a:1",
    ],
    [{ heartbeatIntervalMs: Number.NaN }, "createConfig: heartbeatIntervalMs is a number, not NaN"],
    [{ enableV2: "yes" }, "createConfig: enableV2 is a boolean, not yes"],
    [null, "createConfig takes an object of settings, not null"],
  ] as const) {
    assert.throws(() => createConfig(given as unknown as EtcdConfigInput), {
      name: "ConfigError",
      message,
    });
  }
});
