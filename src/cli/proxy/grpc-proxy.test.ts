/** `etcd grpc-proxy start`: what it refuses, in etcd's words, before anything is opened. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { MemoryLogger } from "../../env/testing/memory-logger.ts";
import { SeededRandom } from "../../env/testing/seeded-random.ts";
import { VirtualClock } from "../../env/testing/virtual-clock.ts";
import type { Io } from "../framework/io.ts";
import { runTool } from "../framework/run-tool.ts";
import { proxyTable } from "./command-table.ts";
import type { ProxyDeps } from "./deps.ts";

async function run(line: string): Promise<{ code: number; text: string }> {
  let text = "";
  const take = (data: string | Uint8Array): void => {
    text += String(data);
  };
  const clock = new VirtualClock();
  const stdin = {
    isTerminal: false,
    readLine: async () => undefined,
    readAll: async () => Buffer.alloc(0),
  };
  const io: Io = {
    argv: line.split(" "),
    env: {},
    out: take,
    err: take,
    status: () => undefined,
    stdin,
    clock,
  };
  const deps: ProxyDeps = {
    clock,
    random: new SeededRandom(1),
    logger: new MemoryLogger(),
    commandLine: ["etcd"],
    maxConnections: undefined,
    duplicate: undefined,
    localAddresses: () => [],
    lookUp: async (host) => [host],
    srvRecords: async () => ({ records: [] }),
    tryTls: async () => undefined,
    grpc: () => assert.fail("nothing is opened"),
    notifyReady: () => undefined,
  };
  const about = { version: "3.6.14", apiVersion: "3", helpLayout: "titled" } as const;
  const code = await runTool(
    proxyTable(async () => deps),
    about,
    io,
  );
  return { code, text };
}

const REFUSED: readonly (readonly [flags: string, text: string])[] = [
  ["--resolver-prefix=a", "invalid resolver-ttl 0\n"],
  ["--resolver-ttl=3", 'invalid resolver-prefix ""\n'],
  [
    "--resolver-prefix=a --resolver-ttl=3 --advertise-client-url=",
    'invalid advertise-client-url ""\n',
  ],
  [
    "--auto-tls --self-signed-cert-validity=0",
    "selfSignedCertValidity is invalid,it should be greater than 0\n",
  ],
  [
    "--tls-min-version=TLS1.1",
    'tls-min-version is invalid: unexpected TLS version "TLS1.1" (must be one of: TLS1.2, TLS1.3)\n',
  ],
  [
    "--tls-min-version=TLS1.3 --tls-max-version=TLS1.2",
    "min version (TLS1.3) is greater than max version (TLS1.2)\n",
  ],
  [
    "--tls-min-version=TLS1.3 --listen-cipher-suites=a",
    "cipher suites cannot be configured when only TLS1.3 is enabled\n",
  ],
];
for (const [flags, expected] of REFUSED) {
  test(`refused: ${flags}`, async () => {
    assert.deepEqual(await run(`grpc-proxy start ${flags}`), { code: 1, text: expected });
  });
}

test("a number of streams has 32 bits", async () => {
  const { code, text } = await run("grpc-proxy start --max-concurrent-streams=4294967296");
  assert.equal(code, 1);
  assert.match(
    text,
    /^Error: invalid argument "4294967296" for "--max-concurrent-streams" flag: strconv.ParseUint: parsing "4294967296": value out of range\n/,
  );
});

/** Of a subject with the common name "named". */
const NAMED = `-----BEGIN CERTIFICATE-----
MIIBjjCCATWgAwIBAgIUMWjtLW+9hyvusSAnHgQNAhLp83wwCgYIKoZIzj0EAwIw
HDEKMAgGA1UECgwBeDEOMAwGA1UEAwwFbmFtZWQwIBcNMjYxMTMwMDIwOTI3WhgP
MjEyNjExMDYwMjA5MjdaMBwxCjAIBgNVBAoMAXgxDjAMBgNVBAMMBW5hbWVkMFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEcDlt4eERUoJVR49XODQFtA3LD62s/XWl
Mf0FfCXVmsa8T7/55bU4zkc4DwEzm77s059JP0gyN9or5se+LXIurKNTMFEwHQYD
VR0OBBYEFM3BCq56T8GURdHbm6YaC6I4XuFAMB8GA1UdIwQYMBaAFM3BCq56T8GU
RdHbm6YaC6I4XuFAMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIg
X4Mp6xEk0KyiQ95ol0jTCx/dBLaFOTRuWjcCzd/UW1kCIGQcYVWNebSaP/IW8AU+
zdNl7hzrX+9312KVIS2REsLV
-----END CERTIFICATE-----
`;

test("a certificate towards the members that names somebody is refused", async () => {
  const folder = mkdtempSync(join(tmpdir(), "grpc-proxy-"));
  const path = join(folder, "named.crt");
  writeFileSync(path, NAMED);
  try {
    assert.deepEqual(await run(`grpc-proxy start --cert=${path}`), {
      code: 1,
      text: `cert has non empty Common Name (named): ${path}\n`,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
