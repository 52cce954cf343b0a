/**
 * Who may be a member: the settings of peer listeners beyond an authority, each with two members
 * that keep the others out, or let them in.
 */
import assert from "node:assert/strict";
import { renameSync } from "node:fs";
import { after, test } from "node:test";
import type { IssueOptions } from "../../platform/tls/testing/authority.ts";
import type { EtcdConfigInput } from "../index.ts";
import { text } from "./rpc-client.ts";
import { type Member, TlsWorld } from "./tls-world.ts";
import { until } from "./wait.ts";
import { freePorts } from "../../base/testing/free-ports.ts";

const world = new TlsWorld();
after(() => world[Symbol.asyncDispose]());

/** One cluster of three, whose third member comes when the others serve. */
class Trio {
  readonly #name: string;
  readonly #ports: readonly number[];

  private constructor(name: string, ports: readonly number[]) {
    this.#name = name;
    this.#ports = ports;
  }

  static async of(name: string): Promise<Trio> {
    return new Trio(name, await freePorts(3));
  }

  /** `certificate` is the member's; `more` are the settings under test. */
  member(place: 0 | 1 | 2, certificate: IssueOptions, more: EtcdConfigInput): EtcdConfigInput {
    const url = (i: number): string => `https://127.0.0.1:${this.#ports[i]}`;
    const name = `${this.#name}${place}`;
    const { certFile, keyFile } = world.pair(name, world.authority.issue(certificate));
    return {
      name,
      initialClusterToken: this.#name,
      initialCluster: [0, 1, 2].map((i) => `${this.#name}${i}=${url(i)}`).join(","),
      listenPeerUrls: [url(place)],
      initialAdvertisePeerUrls: [url(place)],
      listenClientUrls: ["http://127.0.0.1:0"],
      peerCertFile: certFile,
      peerKeyFile: keyFile,
      peerTrustedCaFile: world.ca,
      peerClientCertAuth: true,
      ...more,
    };
  }

  async startTwo(certificate: IssueOptions, more: EtcdConfigInput): Promise<readonly Member[]> {
    const inputs = [this.member(0, certificate, more), this.member(1, certificate, more)];
    return await Promise.all(inputs.map((input) => world.start(input.name ?? "", input)));
  }
}

/** Reasons of refusals; "EOF" is a member that gave its own attempt up. */
function refusals(members: readonly Member[]): string[] {
  return members
    .flatMap(({ logger }) => logger.lines)
    .filter(({ message }) => message === "rejected connection on peer endpoint")
    .map(({ fields }) => String(fields.error))
    .filter((reason) => reason !== "EOF");
}

/** The two refuse the third with these words, and go on. */
async function assertKeptOut(
  members: readonly Member[],
  third: EtcdConfigInput,
  words: RegExp,
): Promise<Member> {
  assert.deepEqual(refusals(members), []);
  const stranger = await world.begin(third.name ?? "", third);
  await until(() => refusals(members).some((reason) => words.test(reason)), String(words));
  await agree(members);
  return stranger;
}

async function agree(members: readonly Member[]): Promise<void> {
  for (const { etcd } of members) {
    const client = world.client(etcd.clientAddresses);
    await client.kv.put("k", String(etcd.clientAddresses));
    for (const other of members) {
      const { kvs } = await world.client(other.etcd.clientAddresses).kv.get("k");
      assert.equal(text(kvs[0]?.value), String(etcd.clientAddresses));
    }
  }
}

test("a revoked member is kept out until the list has it no more", async () => {
  const trio = await Trio.of("revoked");
  const crlFile = world.file("peers.crl", "");
  const third = trio.member(2, {}, {});
  const { cert } = world.authority.issue();
  world.file("peers.crl", world.authority.revoke([cert]));
  const members = await trio.startTwo({}, { peerCrlFile: crlFile });
  const own = readCertificate(third);
  renameSync(world.file("next.crl", world.authority.revoke([cert, own])), crlFile);
  const member = await assertKeptOut(members, third, /certificate serial [0-9a-f]+ revoked/);
  renameSync(world.file("next.crl", world.authority.revoke([cert], "pem")), crlFile);
  await member.etcd.ready;
  await agree([...members, member]);
});

test("--peer-cert-allowed-cn lets in members of that name, under any address", async () => {
  const trio = await Trio.of("named");
  const rule = { peerCertAllowedCns: ["member", "other"] };
  const members = await trio.startTwo({ commonName: "member" }, rule);
  const app = trio.member(2, { commonName: "app" }, {});
  await assertKeptOut(members, app, /client certificate authentication failed/);
});

test("--peer-cert-allowed-hostname lets in certificates of that host", async () => {
  const trio = await Trio.of("hosted");
  const rule = { peerCertAllowedHostnames: ["etcd.example"] };
  const hosts = ["etcd.example", "127.0.0.1"];
  const members = await trio.startTwo({ hosts }, rule);
  const elsewhere = trio.member(2, { hosts: ["app.example", "127.0.0.1"] }, {});
  await assertKeptOut(members, elsewhere, /client certificate authentication failed/);
  const again = await Trio.of("hostedtoo");
  const two = await again.startTwo({ hosts }, rule);
  const third = await world.start("hostedtoo2", again.member(2, { hosts }, rule));
  await agree([...two, third]);
});

test("a member that connects from elsewhere is let in by --peer-skip-client-san-verification", async () => {
  const client = world.pair("elsewhere", world.authority.issue({ hosts: ["10.9.8.7"] }));
  const files = { peerClientCertFile: client.certFile, peerClientKeyFile: client.keyFile };
  const strict = await Trio.of("strict");
  const strangers = await strict.startTwo({}, {});
  const words = /certificate is valid for 10\.9\.8\.7, not 127\.0\.0\.1/;
  await assertKeptOut(strangers, strict.member(2, {}, files), words);
  const lax = await Trio.of("lax");
  const rule = { peerSkipClientSanVerification: true };
  const members = await lax.startTwo({}, rule);
  const third = await world.start("lax2", lax.member(2, {}, { ...files, ...rule }));
  await agree([...members, third]);
  assert.deepEqual(refusals(members), []);
});

test("--client-cert-allowed-hostname lets in clients of that host", async () => {
  const { certFile, keyFile } = world.pair("clients", world.authority.issue());
  const member = await world.start("clients", {
    certFile,
    keyFile,
    trustedCaFile: world.ca,
    clientCertAuth: true,
    clientCertAllowedHostnames: ["ann.example", "app.example"],
    listenClientUrls: ["https://127.0.0.1:0"],
    advertiseClientUrls: ["https://127.0.0.1:1"],
  });
  const [url = ""] = member.etcd.clientAddresses;
  await world.client(url).kv.put("by", "ann");
  const bob = world.authority.issue({ commonName: "ann.example", hosts: ["bob.example"] });
  assert.equal(typeof (await world.get(`${url}/health`, bob)), "string");
  const said = (): unknown[] => member.logger.lines.map(({ fields }) => fields.error);
  await until(() => said().includes("client certificate authentication failed"), "the reason");
});

function readCertificate({ name = "" }: EtcdConfigInput): string {
  return world.read(`${name}.crt`);
}
