/** From a command line to a configuration or a refusal, in etcd's words. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { EtcdConfig, LogRecord } from "./config.ts";
import type { Environment } from "./environment.ts";
import { type ParseOutcome, parseCommandLine } from "./parse.ts";
import { formatUrls } from "../../base/etcd-url.ts";

interface World {
  readonly env?: Environment;
  readonly files?: Readonly<Record<string, string>>;
  readonly host?: string;
  readonly arch?: string;
}

function parse(args: readonly string[], world: World = {}): Promise<ParseOutcome> {
  return parseCommandLine(["etcd", ...args], {
    env: world.env ?? {},
    readFile(path) {
      const content = world.files?.[path];
      if (content === undefined) throw Object.assign(new Error(path), { code: "ENOENT" });
      return content;
    },
    version: {
      version: "3.6.14",
      gitSha: "abc",
      runtime: "node v24.0.0",
      os: "linux",
      arch: world.arch ?? "amd64",
    },
    findHost: () => world.host,
  });
}

async function configOf(args: readonly string[], world: World = {}): Promise<EtcdConfig> {
  const outcome = await parse(args, world);
  assert.equal(outcome.kind, "run", JSON.stringify(outcome));
  return (outcome as ParseOutcome & { kind: "run" }).config;
}

async function recordsOf(args: readonly string[], world: World = {}): Promise<LogRecord[]> {
  const outcome = await parse(args, world);
  assert.ok(outcome.kind !== "print", JSON.stringify(outcome));
  return [...outcome.records];
}

async function refusalOf(args: readonly string[], world: World = {}): Promise<unknown> {
  const outcome = await parse(args, world);
  assert.equal(outcome.kind, "refuse", JSON.stringify(outcome));
  const records = (outcome as ParseOutcome & { kind: "refuse" }).records;
  return records.find((record) => record.message === "failed to verify flags")?.fields?.error;
}

const words = (line: string): string[] => line.split(" ").filter((word) => word !== "");
const yaml = (content: string): World => ({ files: { "c.yml": content } });
const FILE = ["--config-file", "c.yml"];

test("defaults are etcd's", async () => {
  const config = await configOf([]);
  assert.equal(config.name, "default");
  assert.equal(config.dataDir, "default.etcd");
  assert.equal(formatUrls(config.listenClientUrls), "http://localhost:2379");
  assert.equal(formatUrls(config.advertiseClientUrls), "http://localhost:2379");
  assert.equal(config.initialCluster, "default=http://localhost:2380");
  assert.equal(config.quotaBackendBytes, 2 * 1024 ** 3);
  assert.equal(config.backendBatchIntervalMs, 100);
  assert.equal(config.watchProgressNotifyIntervalMs, 600_000);
  assert.equal(config.featureGates.TxnModeWriteWithSharedBuffer, true);
  assert.equal(config.featureGates.LeaseCheckpoint, false);
});

test("one dash or two, a value after = or in the next word, booleans alone", async () => {
  const config = await configOf(
    words("-name a --snapshot-count=5 -heartbeat-interval 0x10 --pre-vote=false --enable-pprof"),
  );
  assert.equal(config.name, "a");
  assert.equal(config.snapshotCount, 5);
  assert.equal(config.heartbeatIntervalMs, 16);
  assert.equal(config.preVote, false);
  assert.equal(config.enablePprof, true);
  assert.equal((await configOf(words("--name a --name b"))).name, "b");
});

const MISTAKES: readonly (readonly [string, string])[] = [
  ["--nope", "flag provided but not defined: -nope"],
  ["--name", "flag needs an argument: -name"],
  ["--=x", "bad flag syntax: --=x"],
  ["---x", "bad flag syntax: ---x"],
  ["--heartbeat-interval=abc", 'invalid value "abc" for flag -heartbeat-interval: parse error'],
  ["--heartbeat-interval=-1", 'invalid value "-1" for flag -heartbeat-interval: parse error'],
  ["--pre-vote=maybe", 'invalid boolean value "maybe" for -pre-vote: parse error'],
  [
    "--initial-cluster-state=foo",
    'invalid value "foo" for flag -initial-cluster-state: invalid value',
  ],
  [
    "--grpc-keepalive-interval 5",
    'invalid value "5" for flag -grpc-keepalive-interval: parse error',
  ],
  ["--v2-deprecation=foo", 'invalid value "foo" for flag -v2-deprecation: invalid value "foo"'],
  [
    "--max-concurrent-streams=99999999999",
    'invalid value "99999999999" for flag -max-concurrent-streams: strconv.ParseUint: parsing "99999999999": value out of range',
  ],
  [
    "--quota-backend-bytes=99999999999999999999",
    'invalid value "99999999999999999999" for flag -quota-backend-bytes: value out of range',
  ],
  [
    "--feature-gates=Foo=true",
    'invalid value "Foo=true" for flag -feature-gates: unrecognized feature gate: Foo',
  ],
  [
    "--feature-gates=LeaseCheckpoint",
    'invalid value "LeaseCheckpoint" for flag -feature-gates: missing bool value for LeaseCheckpoint',
  ],
  [
    "--listen-client-urls ftp://1.1.1.1:1",
    'invalid value "ftp://1.1.1.1:1" for flag -listen-client-urls: URL scheme must be http, https, unix, or unixs: ftp://1.1.1.1:1',
  ],
];

test("a mistake on the command line prints Go's words and the usage, and exits with 2", async () => {
  for (const [line, message] of MISTAKES) {
    const outcome = await parse(words(line));
    assert.equal(outcome.kind, "print", line);
    if (outcome.kind !== "print") return;
    assert.equal(outcome.stderr.split("\n")[0], message);
    assert.match(outcome.stderr, /\nUsage:\n\n {2}etcd \[flags\]\n/);
    assert.equal(outcome.stdout, "");
    assert.equal(outcome.exitCode, 2);
  }
});

const REFUSALS: readonly (readonly [string, string])[] = [
  ["foo", '"foo" is not a valid flag'],
  ["--version x", '"x" is not a valid flag'],
  ["-v 5", '"5" is not a valid flag'],
  ["--pre-vote false", '"false" is not a valid flag'],
  ["--heartbeat-interval 0", "--heartbeat-interval must be >0 (set to 0ms)"],
  ["--election-timeout 0", "--election-timeout must be >0 (set to 0ms)"],
  [
    "--election-timeout 100",
    "--election-timeout[100ms] should be at least as 5 times as --heartbeat-interval[100ms]",
  ],
  [
    "--election-timeout 60000",
    "--election-timeout[60000ms] is too long, and should be set less than 50000ms",
  ],
  ["--listen-client-urls http://foo:1", "expected IP in URL for binding (http://foo:1)"],
  [
    "--listen-client-urls http://127.0.0.1:1",
    "--advertise-client-urls is required when --listen-client-urls is set explicitly",
  ],
  [
    "--initial-advertise-peer-urls http://:2380",
    '--initial-advertise-peer-urls "http://:2380" must be "host:port" (unexpected empty host (http://:2380))',
  ],
  [
    "--advertise-client-urls http://:2379",
    '--advertise-client-urls "http://:2379" must be "host:port" (unexpected empty host (http://:2379))',
  ],
  ["--auto-compaction-mode foo", 'unknown auto-compaction-mode "foo"'],
  ["--auto-compaction-mode=", "undefined auto-compaction-mode"],
  ["--logger foo", 'unknown logger option "foo"'],
  ["--logger capnslog", "--logger=capnslog is removed in v3.5"],
  ["--log-outputs default,stderr", 'multi logoutput for "default" is not supported yet'],
  [
    "--log-outputs systemd/journal,stderr",
    `running with systemd/journal but other '--log-outputs' values (["stderr" "systemd/journal"]) are configured with 'default'; override 'default' value with something else`,
  ],
  [
    "--enable-log-rotation",
    "--log-outputs requires a single file path when --log-rotate-config-json is defined",
  ],
  [
    "--enable-log-rotation --log-outputs a --log-rotation-config-json {",
    "improperly formatted log rotation config: unexpected end of JSON input",
  ],
  [
    "--enable-log-rotation --log-outputs a --log-rotation-config-json {bad",
    "improperly formatted log rotation config: invalid character 'b' looking for beginning of object key string",
  ],
  [
    '--enable-log-rotation --log-outputs a --log-rotation-config-json {"maxsize":tru}',
    "improperly formatted log rotation config: invalid character '}' in literal true (expecting 'e')",
  ],
  [
    "--enable-log-rotation --log-outputs a --log-rotation-config-json []x",
    "improperly formatted log rotation config: invalid character 'x' after top-level value",
  ],
  [
    '--enable-log-rotation --log-outputs a --log-rotation-config-json {"maxsize":"a"}',
    "invalid log rotation config: json: cannot unmarshal string into Go struct field logRotationConfig.Logger.maxsize of type int",
  ],
  ["--log-format foo", "unknown log format: foo, supported values json, console"],
  ["--log-level foo", 'unrecognized level: "foo"'],
  [
    "--discovery http://x --initial-cluster a=http://b:1",
    'multiple discovery or bootstrap flags are set. Choose one of "initial-cluster", "discovery", "discovery-endpoints" or "discovery-srv"',
  ],
  ["--discovery-token a", "both --discovery-token and --discovery-endpoints must be set"],
  [
    "--discovery-endpoints a, --discovery-token t",
    "--discovery-endpoints must not contain empty endpoints",
  ],
  [
    "--discovery-proxy a --discovery-user b",
    "both v2 discovery settings (discovery, discovery-proxy) and v3 discovery settings (discovery-token, discovery-endpoints, discovery-cert, discovery-key, discovery-cacert, discovery-user, discovery-password) are set",
  ],
  [
    "--feature-gates LeaseCheckpointPersist=true",
    "enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint",
  ],
  [
    "--feature-gates CompactHashCheck=true --experimental-compact-hash-check-enabled=false",
    "cannot specify both flags: --experimental-compact-hash-check-enabled=false and --feature-gates=CompactHashCheck=true at the same time, please just use --feature-gates=CompactHashCheck=true",
  ],
  [
    "--experimental-corrupt-check-time 1s --corrupt-check-time 2s",
    "cannot set --experimental-corrupt-check-time and --corrupt-check-time at the same time, please use --corrupt-check-time only",
  ],
  [
    "--warning-unary-request-duration 1s --experimental-warning-unary-request-duration 1s",
    "both --experimental-warning-unary-request-duration and --warning-unary-request-duration flags are set. Use only --warning-unary-request-duration",
  ],
  ["--compact-hash-check-time 0", "--compact-hash-check-time must be >0 (set to 0s)"],
  [
    "--experimental-compact-hash-check-time -90m",
    "--experimental-compact-hash-check-time must be >0 (set to -1h30m0s)",
  ],
  [
    "--enable-distributed-tracing --distributed-tracing-sampling-rate -1",
    "distributed tracing configurition is not valid: (tracing sampling rate must be positive)",
  ],
  ["--tls-min-version TLS1.1", 'unexpected TLS version "TLS1.1" (must be one of: TLS1.2, TLS1.3)'],
  [
    "--tls-min-version TLS1.3 --tls-max-version TLS1.2",
    "min version (TLS1.3) is greater than max version (TLS1.2)",
  ],
  [
    "--tls-min-version TLS1.3 --cipher-suites a",
    "cipher suites cannot be configured when only TLS1.3 is enabled",
  ],
  [
    "--enable-v2 --v2-deprecation write-only-skip-check",
    "--enable-v2 and --v2-deprecation=write-only-skip-check are mutually exclusive",
  ],
  [
    "--enable-v2 --v2-deprecation write-only",
    "--enable-v2 and --v2-deprecation=write-only are mutually exclusive",
  ],
  ["--config-file nosuch", "open nosuch: no such file or directory"],
];

test("settings that cannot work are refused in etcd's words", async () => {
  for (const [line, message] of REFUSALS) assert.equal(await refusalOf(words(line)), message, line);
});

test("a stray argument is found before --version and mistakes before --help", async () => {
  const version = await parse(["--version"]);
  assert.deepEqual(version, {
    kind: "print",
    stdout:
      "etcd Version: 3.6.14\nGit SHA: abc\nGo Version: node v24.0.0\nGo OS/Arch: linux/amd64\n",
    stderr: "",
    exitCode: 0,
  });
  for (const word of ["-h", "--help", "-help", "--h"]) {
    const help = await parse(["--name", "x", word, "--nope"]);
    assert.ok(help.kind === "print" && help.exitCode === 0 && help.stdout.includes("--name"));
    assert.match(help.stderr, /^Usage:/);
  }
  const mistake = await parse(["--nope", "--help"]);
  assert.ok(mistake.kind === "print" && mistake.exitCode === 2);
});

test("variables set what flags do not, and a flag wins with a warning", async () => {
  const env = { ETCD_NAME: "fromEnv", ETCD_DATA_DIR: "/d", ETCD_WAL_DIR: "" };
  const config = await configOf(["--name", "fromFlag"], { env });
  assert.equal(config.name, "fromFlag");
  assert.equal(config.dataDir, "/d");
  const records = await recordsOf(["--name", "fromFlag"], { env });
  const told = (message: string) => records.filter((record) => record.message === message);
  assert.deepEqual(
    told("recognized and used environment variable").map((record) => record.fields),
    [{ "variable-name": "ETCD_DATA_DIR", "variable-value": "/d" }],
  );
  assert.deepEqual(
    told("environment variable is overridden by the command-line flag of the same setting").map(
      (record) => [record.level, record.fields],
    ),
    [["warn", { "environment-variable": "ETCD_NAME" }]],
  );
});

test("unknown variables are told, ETCD_VERSION is no setting, bad values are refused", async () => {
  const records = await recordsOf([], { env: { ETCD_FOO: "1", ETCD_VERSION: "v3.4", FOO: "2" } });
  const warned = records.filter((record) => record.level === "warn");
  assert.deepEqual(
    warned.slice(0, 2).map(({ message, fields }) => ({ message, fields })),
    [
      {
        message: "cannot set special environment variable",
        fields: { key: "ETCD_VERSION", value: "v3.4" },
      },
      {
        message: "unrecognized environment variable",
        fields: { "environment-variable": "ETCD_FOO=1" },
      },
    ],
  );
  assert.equal(
    await refusalOf([], { env: { ETCD_HEARTBEAT_INTERVAL: "abc" } }),
    'invalid value "abc" for ETCD_HEARTBEAT_INTERVAL: parse error',
  );
});

test("other architectures are refused unless ETCD_UNSUPPORTED_ARCH names them", async () => {
  const refused = await parse([], { arch: "riscv64" });
  assert.ok(refused.kind === "refuse" && refused.records[0]?.level === "error");
  const allowed = await parse([], {
    arch: "riscv64",
    env: { ETCD_UNSUPPORTED_ARCH: "riscv64" },
  });
  assert.equal(allowed.kind, "run");
});

test("a configuration file replaces flags and variables", async () => {
  const content = `
NAME: fromFile
heartbeat-interval: 50
election-timeout: 500
grpc-keepalive-interval: 5000000000
listen-client-urls: http://127.0.0.1:1,http://127.0.0.1:2
advertise-client-urls: http://a:1
cors:
client-transport-security: { cert-file: c, client-cert-auth: true, allowed-hostname: [x, z] }
peer-transport-security: { trusted-ca-file: ca, skip-client-san-verification: true }
socket-options: { reuse-port: true }
discovery-config: { client: { dial-timeout: 1000000, secure: { cert: dc } } }
log-outputs: [stderr, /b, /a]
cipher-suites: [A, B]
feature-gates: CompactHashCheck=true
experimental-snapshot-catch-up-entries: 7
unknown-key: 1
name: last
`;
  const config = await configOf([...FILE, "--name", "flag"], {
    ...yaml(content),
    env: { ETCD_NAME: "env", ETCD_DATA_DIR: "/env" },
  });
  assert.equal(config.name, "last");
  assert.equal(config.dataDir, "last.etcd");
  assert.equal(config.grpcKeepaliveIntervalMs, 5000);
  assert.equal(formatUrls(config.listenClientUrls), "http://127.0.0.1:1,http://127.0.0.1:2");
  assert.deepEqual(config.cors, ["*"]);
  assert.equal(config.certFile, "c");
  assert.equal(config.clientCertAuth, true);
  assert.deepEqual(config.clientCertAllowedHostnames, ["x", "z"]);
  assert.equal(config.peerTrustedCaFile, "ca");
  assert.equal(config.peerSkipClientSanVerification, true);
  assert.equal(config.socketReusePort, true);
  assert.equal(config.discoveryDialTimeoutMs, 1);
  assert.equal(config.discoveryCert, "dc");
  assert.deepEqual(config.logOutputs, ["stderr", "/b", "/a"]);
  assert.equal(config.featureGates.CompactHashCheck, true);
  assert.equal(config.snapshotCatchupEntries, 7);
  const variable = await configOf([], {
    ...yaml("name: x"),
    env: { ETCD_CONFIG_FILE: "c.yml", ETCD_NAME: "y" },
  });
  assert.equal(variable.name, "x");
});

const GO_FIELD = "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal";
const FILE_REFUSALS: readonly (readonly [string, string])[] = [
  [
    'heartbeat-interval: "x"',
    `${GO_FIELD} string into Go struct field configYAML.Config.heartbeat-interval of type uint`,
  ],
  [
    "heartbeat-interval: -1",
    `${GO_FIELD} number -1 into Go struct field configYAML.Config.heartbeat-interval of type uint`,
  ],
  [
    "grpc-keepalive-interval: 5s",
    `${GO_FIELD} string into Go struct field configYAML.Config.grpc-keepalive-interval of type time.Duration`,
  ],
  [
    "log-outputs: stderr",
    `${GO_FIELD} string into Go struct field configYAML.Config.log-outputs of type []string`,
  ],
  [
    "cipher-suites: [1]",
    `${GO_FIELD} number into Go struct field configYAML.Config.cipher-suites of type string`,
  ],
  ["name: yes", `${GO_FIELD} bool into Go struct field configYAML.Config.name of type string`],
  [
    "client-transport-security: 5",
    `${GO_FIELD} number into Go struct field configYAML.configJSON.client-transport-security of type embed.securityConfig`,
  ],
  [
    "client-transport-security: {cert-file: 5}",
    `${GO_FIELD} number into Go struct field securityConfig.configJSON.client-transport-security.cert-file of type string`,
  ],
  [
    "discovery-config: {client: {dial-timeout: 5s}}",
    `${GO_FIELD} string into Go struct field ConfigSpec.Config.discovery-config.client.dial-timeout of type time.Duration`,
  ],
  ["- a", `${GO_FIELD} array into Go value of type embed.configYAML`],
  ["initial-cluster-state: foo", 'unexpected clusterState "foo"'],
  ["feature-gates: Foo=true", "unrecognized feature gate: Foo"],
  [
    "corrupt-check-time: 1\nexperimental-corrupt-check-time: 1",
    "cannot set --experimental-corrupt-check-time and --corrupt-check-time at the same time, please use --corrupt-check-time only",
  ],
  [
    "election-timeout: 100",
    "--election-timeout[100ms] should be at least as 5 times as --heartbeat-interval[100ms]",
  ],
];

test("mistakes in a file are refused in etcd's words", async () => {
  for (const [content, message] of FILE_REFUSALS) {
    assert.equal(await refusalOf(FILE, yaml(content)), message, content);
  }
  assert.match(
    String(await refusalOf(FILE, yaml("a: 1\nname: [a"))),
    /^error converting YAML to JSON: yaml: line \d+: /,
  );
});

test("times and dates in a file are texts", async () => {
  assert.equal((await configOf(FILE, yaml("name: 12:30"))).name, "12:30");
  assert.equal((await configOf(FILE, yaml("name: 2020-01-01"))).name, "2020-01-01");
});

test("a bad address in a file is printed alone", async () => {
  assert.deepEqual(await parse(FILE, yaml("listen-peer-urls: foo")), {
    kind: "print",
    stdout: "",
    stderr:
      "unexpected error setting up listen-peer-urls: URL scheme must be http, https, unix, or unixs: foo\n",
    exitCode: 1,
  });
});

test("a file that would grow without end is refused", async () => {
  const bomb = `${"a: &a [x,x,x,x,x,x,x,x,x]\n"}b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]`;
  assert.match(String(await refusalOf(FILE, yaml(bomb))), /error converting YAML to JSON/);
  assert.match(
    String(await refusalOf(FILE, yaml("#".repeat(1024 * 1024 + 1)))),
    /larger than 1048576 bytes/,
  );
});

test("former names set what they became, with etcd's warning", async () => {
  const line = words(
    "--experimental-corrupt-check-time 2m --experimental-memory-mlock --experimental-initial-corrupt-check --experimental-enable-lease-checkpoint --max-snapshots 3",
  );
  const config = await configOf(line);
  assert.equal(config.corruptCheckTimeMs, 120_000);
  assert.equal(config.memoryMlock, true);
  assert.equal(config.featureGates.InitialCorruptCheck, true);
  assert.equal(config.featureGates.LeaseCheckpoint, true);
  const warnings = (await recordsOf(line)).map((record) => record.message);
  for (const expected of [
    "--experimental-corrupt-check-time is deprecated in v3.6 and will be decommissioned in v3.7. Use '--corrupt-check-time' instead.",
    "--max-snapshots is deprecated in 3.6 and will be decommissioned in 3.8.",
    "Detected that checkpointing is enabled without persistence. Consider enabling feature gate LeaseCheckpointPersist",
  ]) {
    assert.ok(warnings.includes(expected), expected);
  }
});

test("flags of etcd 0.4 are accepted and mean nothing", async () => {
  const config = await configOf(words("-v --force=5 -vv --snapshot --peer-heartbeat-interval=3"));
  assert.equal(config.name, "default");
});

test("a name alone makes the initial cluster", async () => {
  assert.equal((await configOf(["--name", "abc"])).initialCluster, "abc=http://localhost:2380");
  const given = await configOf(["--name", "abc", "--initial-cluster", "abc=http://x:1"]);
  assert.equal(given.initialCluster, "abc=http://x:1");
});

test("discovery takes the default initial cluster back", async () => {
  assert.equal((await configOf(["--discovery-srv", "example.com"])).initialCluster, "");
  assert.equal((await configOf(FILE, yaml("discovery: http://x"))).initialCluster, "");
});

test("advertised defaults of a listener on 0.0.0.0 take the machine's address", async () => {
  const line = words("--listen-peer-urls http://0.0.0.0:1380 --name m");
  const config = await configOf(line, { host: "10.1.2.3" });
  assert.equal(formatUrls(config.initialAdvertisePeerUrls), "http://10.1.2.3:1380");
  assert.equal(config.initialCluster, "m=http://10.1.2.3:1380");
  assert.equal(formatUrls(config.advertiseClientUrls), "http://localhost:2379");
  const told = (await recordsOf(line, { host: "10.1.2.3" })).find(
    (record) => record.message === "detected default host for advertise",
  );
  assert.deepEqual(told?.fields, { host: "10.1.2.3" });
  const unknown = await configOf(line);
  assert.equal(formatUrls(unknown.initialAdvertisePeerUrls), "http://localhost:2380");
});

test("v2 discovery that may end as a proxy needs no advertised client URLs", async () => {
  const line = words("--discovery http://d/t --listen-client-urls http://127.0.0.1:1");
  assert.equal((await parse(line)).kind, "run");
  assert.match(
    String(await refusalOf([...line, "--discovery-fallback", "exit"])),
    /--advertise-client-urls is required/,
  );
});

/** The start commands of the users' guides, as they reach the program. */
const GUIDE_COMMANDS: readonly string[] = [
  "--name infra1 --listen-client-urls http://127.0.0.1:12379 --advertise-client-urls http://127.0.0.1:12379 --listen-peer-urls http://127.0.0.1:12380 --initial-advertise-peer-urls http://127.0.0.1:12380 --initial-cluster-token etcd-cluster-1 --initial-cluster infra1=http://127.0.0.1:12380,infra2=http://127.0.0.1:22380,infra3=http://127.0.0.1:32380 --initial-cluster-state new --enable-pprof --logger=zap --log-outputs=stderr",
  "--data-dir=/etcd-data --name etcd-node-0 --initial-advertise-peer-urls http://192.168.202.128:2380 --listen-peer-urls http://0.0.0.0:2380 --advertise-client-urls http://192.168.202.128:2379 --listen-client-urls http://0.0.0.0:2379 --initial-cluster etcd-node-0=http://192.168.202.128:2380,etcd-node-1=http://192.168.202.129:2380 --initial-cluster-state new --initial-cluster-token my-etcd-token",
  "--name etcd1 --initial-advertise-peer-urls http://192.168.202.128:2380 --listen-peer-urls http://192.168.202.128:2380 --data-dir /opt/etcd/data --listen-client-urls http://192.168.202.128:2379,http://127.0.0.1:2379 --advertise-client-urls http://192.168.202.128:2379 --discovery https://discovery.etcd.io/3e86b59982e49066c5d813af1c2e2579cbf573de",
  "--name etcd1 -discovery-srv blueskykong.com --initial-advertise-peer-urls http://etcd1.blueskykong.com:2380 --initial-cluster-token etcd-cluster-1 --data-dir /opt/etcd/data --initial-cluster-state new --advertise-client-urls http://etcd1.blueskykong.com:2379 --listen-client-urls http://0.0.0.0:2379 --listen-peer-urls http://0.0.0.0:2380",
  "--name s1 --data-dir /etcd-data --listen-client-urls http://0.0.0.0:2379 --advertise-client-urls http://0.0.0.0:2379 --listen-peer-urls http://0.0.0.0:2380 --initial-advertise-peer-urls http://0.0.0.0:2380 --initial-cluster s1=http://0.0.0.0:2380 --initial-cluster-token tkn --initial-cluster-state new --log-level info --logger zap --log-outputs stderr",
];

test("the start commands of the guides are understood", async () => {
  for (const command of GUIDE_COMMANDS) await configOf(words(command));
});

test("the systemd unit of the guides starts although its variables reach the program too", async () => {
  const env = {
    ETCD_NAME: "etcd-1",
    ETCD_DATA_DIR: "/var/lib/etcd",
    ETCD_LISTEN_PEER_URLS: "https://192.168.31.37:2380",
    ETCD_LISTEN_CLIENT_URLS: "https://192.168.31.37:2379",
    ETCD_INITIAL_ADVERTISE_PEER_URLS: "https://192.168.31.37:2380",
    ETCD_ADVERTISE_CLIENT_URLS: "https://192.168.31.37:2379",
  };
  const line = `--name ${env.ETCD_NAME} --cert-file=/s/k.pem --key-file=/s/k-key.pem --trusted-ca-file=/s/ca.pem --peer-cert-file=/s/k.pem --peer-key-file=/s/k-key.pem --peer-trusted-ca-file=/s/ca.pem --data-dir=${env.ETCD_DATA_DIR} --initial-advertise-peer-urls ${env.ETCD_INITIAL_ADVERTISE_PEER_URLS} --listen-peer-urls ${env.ETCD_LISTEN_PEER_URLS} --listen-client-urls ${env.ETCD_LISTEN_CLIENT_URLS},http://127.0.0.1:2379 --advertise-client-urls ${env.ETCD_ADVERTISE_CLIENT_URLS} --initial-cluster-token etcd-cluster --initial-cluster etcd-1=https://192.168.31.37:2380,etcd-2=https://192.168.31.38:2380 --initial-cluster-state new`;
  const config = await configOf(words(line), { env });
  assert.equal(
    formatUrls(config.listenClientUrls),
    "http://127.0.0.1:2379,https://192.168.31.37:2379",
  );
});

// What etcd 3.6.14 said to each of these files.
const MALFORMED: readonly (readonly [content: string, problem: string])[] = [
  ["name: [a\n", "line 1: did not find expected ',' or ']'"],
  ["x: 1\nq: 5\na: [1, 2\nb: 3\n", "line 3: did not find expected ',' or ']'"],
  ["a: {b: c\n", "line 1: did not find expected ',' or '}'"],
  ["name: a\n  b: c\n", "line 2: mapping values are not allowed in this context"],
  ["name a\nfoo: bar\n", "line 2: mapping values are not allowed in this context"],
  ["a: b: c\n", "mapping values are not allowed in this context"],
  ["a: b\nc d\ne: f\n", "line 3: could not find expected ':'"],
  ["\tname: a\n", "found character that cannot start any token"],
  ["a:\n\t- b\n", "line 2: found character that cannot start any token"],
  ["a: b\nc: d\n\tname: a\n", "line 3: found a tab character that violates indentation"],
  ["a: @x\n", "found character that cannot start any token"],
  ["x: 1\ny: `a`\n", "line 2: found character that cannot start any token"],
  ['name: "abc\n', "line 2: found unexpected end of stream"],
  ["a: 'x\n", "line 2: found unexpected end of stream"],
  ['a: "\\q"\n', "found unknown escape character"],
  ["}\n", "did not find expected node content"],
  ["name: *x\n", "unknown anchor 'x' referenced"],
  ["\u0000\u0001", "control characters are not allowed"],
];

test("a malformed file is refused in the words of etcd's YAML library", async () => {
  for (const [content, problem] of MALFORMED) {
    const error = await refusalOf(FILE, yaml(content));
    assert.equal(error, `error converting YAML to JSON: yaml: ${problem}`, content);
  }
});

/** Every key of etcd 3.5's sample file, empty where it leaves them so, with its values otherwise. */
const KEYS_OF_3_5 = `
name: 'm1'
data-dir: /d
wal-dir:
snapshot-count: 10000
heartbeat-interval: 100
election-timeout: 1000
quota-backend-bytes: 0
listen-peer-urls: http://localhost:2380
listen-client-urls: http://localhost:2379
max-snapshots: 5
max-wals: 5
cors:
initial-advertise-peer-urls: http://localhost:2380
advertise-client-urls: http://localhost:2379
discovery:
discovery-fallback: 'proxy'
discovery-proxy:
discovery-srv:
initial-cluster:
initial-cluster-token: 'etcd-cluster'
initial-cluster-state: 'new'
strict-reconfig-check: false
enable-v2: true
enable-pprof: true
proxy: 'off'
proxy-failure-wait: 5000
proxy-refresh-interval: 30000
proxy-dial-timeout: 1000
proxy-write-timeout: 5000
proxy-read-timeout: 0
client-transport-security:
  cert-file:
  key-file:
  client-cert-auth: false
  trusted-ca-file:
  auto-tls: false
peer-transport-security:
  cert-file:
  key-file:
  client-cert-auth: false
  trusted-ca-file:
  auto-tls: false
  allowed-cn:
  allowed-hostname:
self-signed-cert-validity: 1
log-level: debug
logger: zap
log-outputs: [stderr]
force-new-cluster: false
auto-compaction-mode: periodic
auto-compaction-retention: "1"
`;

test("a file of etcd 3.5 with all its keys is taken", async () => {
  const config = await configOf(FILE, yaml(KEYS_OF_3_5));
  assert.equal(config.initialCluster, "m1=http://localhost:2380");
  assert.equal(config.autoCompactionRetention, "1");
  assert.equal(config.strictReconfigCheck, false);
});
