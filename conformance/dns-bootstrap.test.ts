/**
 * `--discovery-srv` with a real name server (dnsmasq): the guide's three machines with its commands
 * as they stand, Go members among ours, restarts behind moved addresses, and the refusals of wrong
 * records beside the reference's.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { TestAuthority } from "../src/platform/tls/testing/authority.ts";
import { binaryOf, missing, repositoryRoot } from "./harness.ts";
import { Machines, noMachines, type Program } from "./machines.ts";

const dnsmasq = spawnSync("dnsmasq", ["--version"]).status === 0 ? false : "dnsmasq is missing";
const skip = noMachines() || dnsmasq || missing("ours");
const skipMixed = skip || missing("reference");

const ADDRESSES = ["192.168.202.128", "192.168.202.129", "192.168.202.130"] as const;
const [FIRST] = ADDRESSES;
const DOMAIN = "blueskykong.com";
/** The second is etcd 3.4's. */
const READY = /ready to serve client requests|serving client traffic/;
const OURS = join(repositoryRoot, "bin", "etcd");

/** The guide's dnsmasq.conf and hosts file. */
function guideRecords(service = "_etcd-server", port = 2380): string[] {
  return [1, 2, 3].map(
    (n) => `--srv-host=${service}._tcp.${DOMAIN},etcd${n}.${DOMAIN},${port},0,100`,
  );
}

function guideHosts(addresses: readonly string[] = ADDRESSES): string[] {
  return addresses.map((address, i) => `--address=/etcd${i + 1}.${DOMAIN}/${address}`);
}

async function nameServer(machines: Machines, settings: readonly string[]): Promise<Program> {
  const program = machines.start(FIRST, [
    ...["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--log-facility=-"],
    ...["--user=root", "--no-resolv", "--no-hosts", "--bind-interfaces", "--pid-file"],
    ...[`--listen-address=${FIRST}`, `--local=/${DOMAIN}/`, ...settings],
  ]);
  await program.said("started, version");
  return program;
}

async function world(records: readonly string[]): Promise<Machines> {
  const machines = await Machines.create(ADDRESSES);
  for (const address of ADDRESSES) {
    machines.configure(address, "resolv.conf", `nameserver ${FIRST}\n`);
  }
  await nameServer(machines, records);
  return machines;
}

/** The guide's command, but for the place of the data. */
function guideCommand(machines: Machines, n: number, scheme = "http"): string[] {
  return [
    ...["--name", `etcd${n}`, "--discovery-srv", DOMAIN],
    ...["--initial-advertise-peer-urls", `${scheme}://etcd${n}.${DOMAIN}:2380`],
    ...["--initial-cluster-token", "etcd-cluster-1"],
    ...["--data-dir", machines.path(`data${n}`), "--initial-cluster-state", "new"],
    ...["--advertise-client-urls", `http://etcd${n}.${DOMAIN}:2379`],
    ...["--listen-client-urls", "http://0.0.0.0:2379"],
    ...["--listen-peer-urls", `${scheme}://0.0.0.0:2380`],
  ];
}

/** Programs, the first on the first machine and so on; all serve in the end. */
async function startAll(
  machines: Machines,
  programs: readonly string[],
  more: { readonly scheme?: string; readonly flags?: readonly string[] } = {},
): Promise<Program[]> {
  const started = ADDRESSES.map((address, i) => {
    const command = guideCommand(machines, i + 1, more.scheme);
    const flags = [...command, ...(more.flags ?? []), "--logger=zap"];
    return machines.start(address, [programs[i] ?? OURS, ...flags]);
  });
  await Promise.all(started.map((each) => each.said(READY)));
  return started;
}

function memberList(machines: Machines): string {
  const listed = machines.run(FIRST, [join(repositoryRoot, "bin", "etcdctl"), "member", "list"]);
  assert.equal(listed.status, 0, listed.stderr);
  return listed.stdout;
}

/** Ids from the names, as etcd computes them. */
const GUIDE_MEMBERS = [
  [1, "1c74529850be61e9"],
  [2, "af98e8a7fd3a720e"],
  [3, "e6e167c76b11e2d7"],
].map(
  ([n, id]) =>
    `${id}, started, etcd${n}, http://etcd${n}.${DOMAIN}:2380, http://etcd${n}.${DOMAIN}:2379, false\n`,
);

const HEALTHY = [1, 2, 3].map(
  (n) => `http://etcd${n}.${DOMAIN}:2379 is healthy: successfully committed proposal: `,
);

/** A gateway that finds the members by their clients' records. */
async function tryGateway(machines: Machines, program: string, port: number): Promise<void> {
  const address = `${ADDRESSES[2]}:${port}`;
  const found = ["--discovery-srv", DOMAIN, "--insecure-discovery"];
  const command = [program, "gateway", "start", ...found, "--listen-addr", address];
  const gateway = machines.start(ADDRESSES[2], command);
  await gateway.said("ready to proxy client requests");
  const put = machines.run(FIRST, ["etcdctl", "--endpoints", address, "put", program, "v"]);
  assert.equal(put.stdout, "OK\n", put.stderr);
  for (const n of [1, 2, 3])
    assert.match(gateway.output, new RegExp(`etcd${n}\\.${DOMAIN}\\.?:2379`));
  await gateway.stop();
}

test(
  "1: etcd --discovery-srv on the guide's three machines, and their member list",
  { skip },
  async () => {
    const records = [...guideRecords(), ...guideRecords("_etcd-client", 2379)];
    await using machines = await world([...records, ...guideHosts()]);
    const members = await startAll(machines, [OURS, OURS, OURS]);
    assert.equal(memberList(machines), GUIDE_MEMBERS.join(""));
    const health = machines.run(FIRST, ["etcdctl", "endpoint", "health", "--cluster"]);
    const said = health.stderr + health.stdout.replace(/took = \S+/g, "");
    assert.deepEqual(said.split("\n").sort(), ["", ...HEALTHY]);
    for (const { output } of members) {
      assert.match(output, /"failed to resolve during SRV discovery","error":"error querying DNS /);
      assert.match(output, /"got bootstrap from DNS for etcd-server"/);
    }
    const gateways = missing("reference") ? [OURS] : [OURS, binaryOf("reference")];
    for (const [i, program] of gateways.entries()) await tryGateway(machines, program, 23790 + i);
  },
);

test(
  "behind a moved address a member is found by its name, and a restart asks for no records",
  {
    skip,
  },
  async () => {
    const machines = await Machines.create([...ADDRESSES, "192.168.202.131"]);
    await using _machines = machines;
    for (const address of ADDRESSES) {
      machines.configure(address, "resolv.conf", `nameserver ${FIRST}\n`);
    }
    machines.configure("192.168.202.131", "resolv.conf", `nameserver ${FIRST}\n`);
    const names = await nameServer(machines, [...guideRecords(), ...guideHosts()]);
    const [, , third] = await startAll(machines, [OURS, OURS, OURS]);
    await third?.stop();
    await names.stop();
    await nameServer(machines, guideHosts([...ADDRESSES.slice(0, 2), "192.168.202.131"]));
    const command = [OURS, ...guideCommand(machines, 3)];
    const moved = machines.start("192.168.202.131", command);
    await moved.said(READY);
    const put = machines.run(FIRST, ["etcdctl", "put", "k", "v"]);
    assert.equal(put.stdout, "OK\n", put.stderr);
    const read = machines.run("192.168.202.131", ["etcdctl", "get", "k"]);
    assert.equal(read.stdout, "k\nv\n", read.stderr);
  },
);

/** By the secure service: etcd 3.4 cannot read the plain one. */
test(
  "members of Go and ours find each other by DNS, and talk TLS",
  { skip: skipMixed },
  async () => {
    await using machines = await world([...guideRecords("_etcd-server-ssl"), ...guideHosts()]);
    const authority = new TestAuthority();
    const hosts = [1, 2, 3].map((n) => `etcd${n}.${DOMAIN}`);
    const issued = authority.issue({ hosts: [...hosts, DOMAIN, ...ADDRESSES] });
    for (const [name, text] of Object.entries({ "ca.crt": authority.cert, ...named(issued) })) {
      writeFileSync(machines.path(name), text);
    }
    const files = ["--peer-cert-file=m.crt", "--peer-key-file=m.key"];
    const flags = [...files, "--peer-trusted-ca-file=ca.crt", "--peer-client-cert-auth"];
    const programs = [OURS, binaryOf("reference"), OURS];
    await startAll(machines, programs, { scheme: "https", flags });
    assert.deepEqual(
      memberList(machines)
        .split("\n")
        .map((line) => line.split(", ")[3] ?? "")
        .sort(),
      ["", ...hosts.map((host) => `https://${host}:2380`)],
    );
  },
);

function named({ cert, key }: { readonly cert: string; readonly key: string }) {
  return { "m.crt": cert, "m.key": key };
}

/** Name of the domain, and what the name server says of it. */
const WRONG: readonly (readonly [what: string, domain: string, flags: string])[] = [
  ["no records", "none.test", "http://etcd1.test:2380"],
  ["a zone that the server does not serve", "elsewhere.example", "http://etcd1.test:2380"],
  ["targets without addresses", "lost.test", "http://etcd1.test:2380"],
  ["another scheme", "ssl.test", "http://etcd1.test:2380"],
  ["another port", "ssl.test", "https://etcd1.test:2390"],
  ["others only", "ssl.test", `https://${ADDRESSES[1]}:2380`],
  ["an advertised name without address", "plain.test", "http://gone.test:2380"],
];

test("wrong records are refused with the reference's words", { skip: skipMixed }, async () => {
  await using machines = await world([
    "--local=/test/",
    "--srv-host=_etcd-server._tcp.plain.test,etcd1.test,2380",
    "--srv-host=_etcd-server._tcp.lost.test,gone.test,2380",
    "--srv-host=_etcd-server-ssl._tcp.ssl.test,etcd1.test,2380",
    `--address=/etcd1.test/${FIRST}`,
    "--server=/test/",
  ]);
  for (const [what, domain, advertised] of WRONG) {
    const words = [OURS, binaryOf("reference")].map((program, i) => {
      const flags = ["--name", "m", "--discovery-srv", domain, "--logger=zap"];
      const peer = ["--initial-advertise-peer-urls", advertised];
      const data = ["--data-dir", machines.path(`refused-${i}`)];
      const ended = machines.run(FIRST, [program, ...flags, ...peer, ...data]);
      const fatal = /"msg":"discovery failed","error":"(.*?[^\\])"/.exec(ended.stderr)?.[1];
      return `${ended.status} ${fatal}`;
    });
    assert.ok(words[0]?.startsWith("1 error setting up initial cluster: "), `${what}: ${words[0]}`);
    // Of two services that fail, 3.4 names the first.
    assert.ok(words[0]?.startsWith(words[1] ?? "nothing"), `${what}: ${words.join("\n")}`);
  }
});
