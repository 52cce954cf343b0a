/** The table of settings against what is known of etcd: defaults, variables, keys of files. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gateSpec } from "./feature-gates.ts";
import { FLAGS, GivenSettings, HELP_SECTIONS } from "./flags.ts";
import { IGNORED_FLAGS } from "./former-flags.ts";
import { settingOf } from "./config.ts";
import { environmentName } from "./setting.ts";

/** Flag, default as a flag's text, key in a YAML file ("-": none). */
const FACTS = `
name | default | name
data-dir |  | data-dir
wal-dir |  | wal-dir
snapshot-count | 10000 | snapshot-count
heartbeat-interval | 100 | heartbeat-interval
election-timeout | 1000 | election-timeout
initial-election-tick-advance | true | initial-election-tick-advance
listen-peer-urls | http://localhost:2380 | listen-peer-urls
listen-client-urls | http://localhost:2379 | listen-client-urls
listen-client-http-urls |  | listen-client-http-urls
listen-metrics-urls |  | listen-metrics-urls
max-snapshots | 5 | max-snapshots
max-wals | 5 | max-wals
quota-backend-bytes | 0 | quota-backend-bytes
backend-bbolt-freelist-type |  | backend-bbolt-freelist-type
backend-batch-interval | 0s | backend-batch-interval
backend-batch-limit | 0 | backend-batch-limit
max-txn-ops | 128 | max-txn-ops
max-request-bytes | 1572864 | max-request-bytes
max-concurrent-streams | 4294967295 | max-concurrent-streams
enable-grpc-gateway | true | enable-grpc-gateway
grpc-keepalive-min-time | 5s | grpc-keepalive-min-time
grpc-keepalive-interval | 2h0m0s | grpc-keepalive-interval
grpc-keepalive-timeout | 20s | grpc-keepalive-timeout
socket-reuse-port | false | socket-options.reuse-port
socket-reuse-address | false | socket-options.reuse-address
raft-read-timeout | 5s | -
raft-write-timeout | 5s | -
initial-advertise-peer-urls | http://localhost:2380 | initial-advertise-peer-urls
initial-cluster | default=http://localhost:2380 | initial-cluster
initial-cluster-state | new | initial-cluster-state
initial-cluster-token | etcd-cluster | initial-cluster-token
advertise-client-urls | http://localhost:2379 | advertise-client-urls
discovery |  | discovery
discovery-fallback | proxy | discovery-fallback
discovery-proxy |  | discovery-proxy
discovery-srv |  | discovery-srv
discovery-srv-name |  | discovery-srv-name
strict-reconfig-check | true | strict-reconfig-check
pre-vote | true | pre-vote
auto-compaction-retention | 0 | auto-compaction-retention
auto-compaction-mode | periodic | auto-compaction-mode
enable-v2 | false | enable-v2
experimental-enable-v2v3 |  | experimental-enable-v2v3
v2-deprecation | write-only | v2-deprecation
proxy | off | proxy
proxy-failure-wait | 5000 | proxy-failure-wait
proxy-refresh-interval | 30000 | proxy-refresh-interval
proxy-dial-timeout | 1000 | proxy-dial-timeout
proxy-write-timeout | 5000 | proxy-write-timeout
proxy-read-timeout | 0 | proxy-read-timeout
cert-file |  | client-transport-security.cert-file
key-file |  | client-transport-security.key-file
client-cert-file |  | client-transport-security.client-cert-file
client-key-file |  | client-transport-security.client-key-file
client-cert-auth | false | client-transport-security.client-cert-auth
client-crl-file |  | -
client-cert-allowed-hostname |  | client-transport-security.allowed-hostname
trusted-ca-file |  | client-transport-security.trusted-ca-file
auto-tls | false | client-transport-security.auto-tls
peer-cert-file |  | peer-transport-security.cert-file
peer-key-file |  | peer-transport-security.key-file
peer-client-cert-file |  | peer-transport-security.client-cert-file
peer-client-key-file |  | peer-transport-security.client-key-file
peer-client-cert-auth | false | peer-transport-security.client-cert-auth
peer-trusted-ca-file |  | peer-transport-security.trusted-ca-file
peer-auto-tls | false | peer-transport-security.auto-tls
self-signed-cert-validity | 1 | self-signed-cert-validity
peer-crl-file |  | -
peer-cert-allowed-cn |  | peer-transport-security.allowed-cn
peer-cert-allowed-hostname |  | peer-transport-security.allowed-hostname
cipher-suites |  | cipher-suites
tls-min-version | TLS1.2 | tls-min-version
tls-max-version |  | tls-max-version
cors | * | cors
host-whitelist | * | host-whitelist
auth-token | simple | auth-token
bcrypt-cost | 10 | bcrypt-cost
auth-token-ttl | 300 | auth-token-ttl
enable-pprof | false | enable-pprof
metrics | basic | metrics
logger | zap | logger
log-outputs | default | log-outputs
log-level | info | log-level
enable-log-rotation | false | enable-log-rotation
log-rotation-config-json | {"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false} | log-rotation-config-json
experimental-enable-distributed-tracing | false | experimental-enable-distributed-tracing
experimental-distributed-tracing-address | localhost:4317 | experimental-distributed-tracing-address
experimental-distributed-tracing-service-name | etcd | experimental-distributed-tracing-service-name
experimental-distributed-tracing-instance-id |  | experimental-distributed-tracing-instance-id
experimental-distributed-tracing-sampling-rate | 0 | experimental-distributed-tracing-sampling-rate
experimental-initial-corrupt-check | false | experimental-initial-corrupt-check
experimental-corrupt-check-time | 0s | experimental-corrupt-check-time
experimental-compact-hash-check-enabled | false | experimental-compact-hash-check-enabled
experimental-compact-hash-check-time | 1m0s | experimental-compact-hash-check-time
experimental-enable-lease-checkpoint | false | experimental-enable-lease-checkpoint
experimental-enable-lease-checkpoint-persist | false | experimental-enable-lease-checkpoint-persist
experimental-compaction-batch-limit | 0 | experimental-compaction-batch-limit
experimental-compaction-sleep-interval | 0s | experimental-compaction-sleep-interval
experimental-watch-progress-notify-interval | 0s | experimental-watch-progress-notify-interval
experimental-downgrade-check-time | 5s | experimental-downgrade-check-time
experimental-warning-apply-duration | 100ms | experimental-warning-apply-duration
experimental-memory-mlock | false | experimental-memory-mlock
experimental-txn-mode-write-with-shared-buffer | true | experimental-txn-mode-write-with-shared-buffer
experimental-stop-grpc-service-on-defrag | false | experimental-stop-grpc-service-on-defrag
experimental-bootstrap-defrag-threshold-megabytes | 0 | experimental-bootstrap-defrag-threshold-megabytes
experimental-snapshot-catchup-entries | 5000 | experimental-snapshot-catch-up-entries
experimental-peer-skip-client-san-verification | false | -
force-new-cluster | false | force-new-cluster
unsafe-no-fsync | false | unsafe-no-fsync
discovery-endpoints |  | discovery-config.client.endpoints
discovery-token |  | discovery-config.token
discovery-dial-timeout | 2s | discovery-config.client.dial-timeout
discovery-request-timeout | 5s | discovery-config.client.request-timeout
discovery-keepalive-time | 2s | discovery-config.client.keepalive-time
discovery-keepalive-timeout | 6s | discovery-config.client.keepalive-timeout
discovery-insecure-transport | true | discovery-config.client.secure.insecure-transport
discovery-insecure-skip-tls-verify | false | discovery-config.client.secure.insecure-skip-tls-verify
discovery-cert |  | discovery-config.client.secure.cert
discovery-key |  | discovery-config.client.secure.key
discovery-cacert |  | discovery-config.client.secure.cacert
discovery-user |  | discovery-config.client.auth.username
discovery-password |  | discovery-config.client.auth.password
log-format | json | log-format
feature-gates |  | feature-gates
max-learners | 1 | max-learners
warning-unary-request-duration | 0s | warning-unary-request-duration
experimental-warning-unary-request-duration | 0s | experimental-warning-unary-request-duration
corrupt-check-time | 0s | corrupt-check-time
compact-hash-check-time | 1m0s | compact-hash-check-time
compaction-batch-limit | 0 | compaction-batch-limit
compaction-sleep-interval | 0s | compaction-sleep-interval
watch-progress-notify-interval | 0s | watch-progress-notify-interval
downgrade-check-time | 5s | downgrade-check-time
warning-apply-duration | 100ms | warning-apply-duration
memory-mlock | false | memory-mlock
bootstrap-defrag-threshold-megabytes | 0 | bootstrap-defrag-threshold-megabytes
snapshot-catchup-entries | 5000 | snapshot-catchup-entries
peer-skip-client-san-verification | false | peer-transport-security.skip-client-san-verification
enable-distributed-tracing | false | enable-distributed-tracing
distributed-tracing-address | localhost:4317 | distributed-tracing-address
distributed-tracing-service-name | etcd | distributed-tracing-service-name
distributed-tracing-instance-id |  | distributed-tracing-instance-id
distributed-tracing-sampling-rate | 0 | distributed-tracing-sampling-rate
`;

interface Fact {
  readonly flag: string;
  readonly fallback: string;
  readonly yaml: string;
}

function facts(): Fact[] {
  return FACTS.trim()
    .split("\n")
    .map((line) => {
      const [flag = "", fallback = "", yaml = ""] = line.split("|").map((cell) => cell.trim());
      return { flag, fallback, yaml };
    });
}

test("every flag of etcd exists with etcd's default and key", () => {
  for (const { flag, fallback, yaml } of facts()) {
    const entry = FLAGS.get(flag);
    assert.ok(entry !== undefined, `--${flag} is missing`);
    switch (entry.kind) {
      case "setting": {
        const { type, fallback: value, yaml: key } = settingOf(entry.name);
        assert.equal(type.format(value), fallback, `default of --${flag}`);
        assert.equal(key ?? "-", yaml, `key of --${flag}`);
        break;
      }
      case "renamed":
        assert.equal(settingOf(entry.name).type.format(settingOf(entry.name).fallback), fallback);
        if (yaml !== "-") assert.ok(entry.former.yaml.includes(yaml), `key of --${flag}`);
        break;
      case "gate":
        assert.equal(String(gateSpec(entry.former.gate).fallback), fallback, `--${flag}`);
        break;
      default:
        assert.equal(entry.kind, "gates");
    }
  }
});

test("no flag is ours alone but the ones the documentation names", () => {
  const known = new Set([...facts().map((fact) => fact.flag), ...IGNORED_FLAGS]);
  const own = [...FLAGS.keys()].filter((flag) => !known.has(flag));
  assert.deepEqual(own.sort(), [
    "backend-page-cache-bytes",
    "config-file",
    "dashboard-read-only",
    "enable-dashboard",
    "version",
    "wal-segment-bytes",
  ]);
});

test("a variable is ETCD_ and the flag in capitals", () => {
  assert.equal(environmentName("listen-client-urls"), "ETCD_LISTEN_CLIENT_URLS");
  assert.equal(environmentName("experimental-enable-v2v3"), "ETCD_EXPERIMENTAL_ENABLE_V2V3");
});

test("every flag but the ignored ones is in one section of the help", () => {
  const listed = HELP_SECTIONS.flatMap((section) => section.entries.map((entry) => entry.flag));
  assert.equal(new Set(listed).size, listed.length);
  for (const { flag } of facts()) assert.ok(listed.includes(flag), `--${flag} is not listed`);
});

test("every default can be written as its own flag", () => {
  for (const [flag, entry] of FLAGS) {
    if (entry.kind !== "setting") continue;
    const { type, fallback } = settingOf(entry.name);
    const written = type.format(fallback);
    if (written === "") continue;
    const given = new GivenSettings();
    given.set(entry, written);
    assert.deepEqual(given.values.get(entry.name), fallback, `--${flag}=${written}`);
  }
});
