/**
 * Members that find each other by SRV records of a name server that only the embedding program
 * knows, and dial each other by those names.
 */
import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { EtcdClient } from "../client/index.ts";
import { MemoryLogger } from "../env/testing/index.ts";
import { within } from "./e2e/wait.ts";
import { createConfig, startEtcd } from "./index.ts";
import { freePorts } from "../base/testing/free-ports.ts";

const A = 1;
const SRV = 33;
const NAME_ERROR = 3;

const scratch = mkdtempSync(join(tmpdir(), "etcd-names-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** Answers questions for addresses with 127.0.0.1, and for services with the targets. */
async function nameServer(services: ReadonlyMap<string, readonly [string, number][]>) {
  const socket: Socket = createSocket("udp4");
  socket.on("message", (question, from) => {
    const { name, type, end } = readQuestion(question);
    const records = type === A && name.endsWith(".test") ? [Buffer.from([127, 0, 0, 1])] : [];
    for (const [target, port] of (type === SRV && services.get(name)) || []) {
      const rest = Buffer.alloc(6);
      rest.writeUInt16BE(port, 4);
      records.push(Buffer.concat([rest, encodeName(target)]));
    }
    const head = Buffer.from(question.subarray(0, 12));
    head.writeUInt16BE(0x8400 | (records.length === 0 ? NAME_ERROR : 0), 2);
    head.writeUInt16BE(records.length, 6);
    head.writeUInt32BE(0, 8);
    const answers = records.map((data) => Buffer.concat([recordHead(type, data.length), data]));
    const answer = Buffer.concat([head, question.subarray(12, end), ...answers]);
    socket.send(answer, from.port, from.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}

function readQuestion(message: Buffer) {
  const labels: string[] = [];
  let at = 12;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join("."), type: message.readUInt16BE(at + 1), end: at + 5 };
}

function encodeName(name: string): Buffer {
  const labels = name.split(".").map((label) => `${String.fromCharCode(label.length)}${label}`);
  return Buffer.from(`${labels.join("")}\0`, "latin1");
}

/** Points to the name of the question. */
function recordHead(type: number, length: number): Buffer {
  const head = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, 0]);
  head.writeUInt16BE(length, 10);
  return head;
}

test("members find and dial each other by a name server that the program names", async () => {
  const ports = await freePorts(2);
  const targets = ports.map((port, i): [string, number] => [`m${i}.example.test`, port]);
  const server = await nameServer(new Map([["_etcd-server._tcp.example.test", targets]]));
  try {
    const nameServers = [`127.0.0.1:${server.address().port}`];
    const members = await Promise.all(
      targets.map(([host, port], i) =>
        startEtcd(
          createConfig({
            name: `m${i}`,
            dataDir: join(scratch, `m${i}`),
            discoverySrv: "example.test",
            listenClientUrls: ["http://127.0.0.1:0"],
            listenPeerUrls: [`http://127.0.0.1:${port}`],
            initialAdvertisePeerUrls: [`http://${host}:${port}`],
          }),
          { logger: new MemoryLogger(), nameServers },
        ),
      ),
    );
    try {
      for (const { ready } of members) await within(ready, "both members to be ready");
      await using client = new EtcdClient({ endpoints: members[0]?.clientAddresses });
      const { members: listed } = await client.cluster.memberList();
      assert.deepEqual(
        listed.flatMap(({ peerURLs }) => peerURLs).sort(),
        targets.map(([host, port]) => `http://${host}:${port}`),
      );
    } finally {
      await Promise.all(members.map((member) => member.stop()));
    }
  } finally {
    server.close();
  }
});
