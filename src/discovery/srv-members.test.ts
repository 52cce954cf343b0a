/** Members from SRV records, against a table of names; real name servers are asked in conformance. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseEtcdUrls } from "../base/etcd-url.ts";
import { MemoryLogger } from "../env/testing/index.ts";
import { membersFromSrv, type SrvNames } from "./srv-members.ts";

/** `_etcd-server._tcp.example.test` and the like, each a list of "target port". */
type Services = Readonly<Record<string, readonly string[]>>;

const ADDRESSES: Readonly<Record<string, string>> = {
  "m1.example.test": "10.0.0.1",
  "m2.example.test": "10.0.0.2",
  "m3.example.test": "10.0.0.3",
  "alias.example.test": "10.0.0.1",
  "v6.example.test": "fd00::1",
};

function namesOf(services: Services): SrvNames {
  return {
    services: async (name) => {
      const records = services[name];
      if (records === undefined) throw new Error(`lookup ${name}: no such host`);
      return records.map((text) => {
        const [target = "", port = ""] = text.split(" ");
        return { target: `${target}.example.test.`, port: Number(port), priority: 0, weight: 0 };
      });
    },
    lookup: async (host) => {
      const address = ADDRESSES[host.replace(/\.$/, "")];
      if (address === undefined) throw new Error(`lookup ${host}: no such host`);
      return address;
    },
  };
}

const PLAIN = "_etcd-server._tcp.example.test";
const SECURE = "_etcd-server-ssl._tcp.example.test";

interface Asked {
  readonly services: Services;
  readonly advertised?: string;
  readonly serviceName?: string;
  readonly isMember?: boolean;
}

function ask({ services, advertised, serviceName = "", isMember = true }: Asked) {
  const logger = new MemoryLogger();
  const question = {
    domain: "example.test",
    serviceName,
    memberName: "me",
    advertisedURLs: parseEtcdUrls(advertised ?? "http://m1.example.test:2380"),
    isMember,
  };
  return { logger, found: membersFromSrv(question, { names: namesOf(services), logger }) };
}

test("a member finds itself by address, and numbers the others", async () => {
  const records = ["m2 2380", "m1 2380", "m3 2380"];
  assert.deepEqual(await ask({ services: { [PLAIN]: records } }).found, [
    "0=http://m2.example.test:2380",
    "me=http://m1.example.test:2380",
    "1=http://m3.example.test:2380",
  ]);
});

test("another name of the same address is the member, under the name that DNS gives", async () => {
  const { found } = ask({
    services: { [PLAIN]: ["m1 2380"] },
    advertised: "http://alias.example.test:2380",
  });
  assert.deepEqual(await found, ["me=http://m1.example.test:2380"]);
  const v6 = ask({ services: { [PLAIN]: ["v6 2380"] }, advertised: "http://v6.example.test:2380" });
  assert.deepEqual(await v6.found, ["me=http://v6.example.test:2380"]);
});

test("a name of the service is part of what is asked for", async () => {
  const services = {
    [PLAIN]: ["m2 2380"],
    "_etcd-server-blue._tcp.example.test": ["m1 2380"],
  };
  const { found } = ask({ services, serviceName: "blue" });
  assert.deepEqual(await found, ["me=http://m1.example.test:2380"]);
});

test("both services count, the secure one first, and one may be missing", async () => {
  const advertised = "https://m1.example.test:2380";
  const both = ask({ services: { [SECURE]: ["m1 2380"], [PLAIN]: ["m2 2380"] }, advertised });
  assert.deepEqual(await both.found, [
    "me=https://m1.example.test:2380",
    "0=http://m2.example.test:2380",
  ]);
  const { logger, found } = ask({ services: { [SECURE]: ["m1 2380"] }, advertised });
  assert.deepEqual(await found, ["me=https://m1.example.test:2380"]);
  const [warning] = logger.lines.filter(({ level }) => level === "warn");
  assert.equal(warning?.message, "failed to resolve during SRV discovery");
  assert.equal(
    warning?.fields.error,
    `error querying DNS SRV records for _etcd-server lookup ${PLAIN}: no such host`,
  );
});

test("members whose names do not resolve are left out", async () => {
  const { found } = ask({ services: { [PLAIN]: ["gone 2380", "m1 2380"] } });
  assert.deepEqual(await found, ["me=http://m1.example.test:2380"]);
});

const NO_SSL = `error querying DNS SRV records for _etcd-server-ssl lookup ${SECURE}: no such host`;
const NO_PLAIN = `error querying DNS SRV records for _etcd-server lookup ${PLAIN}: no such host`;

const REFUSED: readonly (readonly [what: string, asked: Asked, words: string])[] = [
  ["no records", { services: {} }, `${NO_SSL}\n${NO_PLAIN}`],
  [
    "records of others only",
    { services: { [PLAIN]: ["m2 2380"] } },
    'cannot find local etcd member "me" in SRV records',
  ],
  [
    "its address with another port",
    { services: { [PLAIN]: ["m1 2381"] } },
    'cannot find local etcd member "me" in SRV records',
  ],
  [
    "targets that do not resolve",
    { services: { [PLAIN]: ["gone 2380"] } },
    `${NO_SSL}\nerror querying DNS SRV records for _etcd-server lookup gone.example.test.: no such host`,
  ],
  [
    "its own record with another scheme",
    { services: { [SECURE]: ["m1 2380"] } },
    "error querying DNS SRV records for _etcd-server-ssl bootstrap at https://m1.example.test:2380 " +
      "from DNS for etcd-server-ssl has scheme mismatch with expected peer " +
      `http://m1.example.test:2380\n${NO_PLAIN}`,
  ],
  [
    "an advertised name that does not resolve",
    { services: { [PLAIN]: ["m1 2380"] }, advertised: "http://gone.example.test:2380" },
    "lookup gone.example.test: no such host\nlookup gone.example.test: no such host",
  ],
];
for (const [what, asked, words] of REFUSED) {
  test(`refused in etcd's words: ${what}`, async () => {
    await assert.rejects(ask(asked).found, (error: Error) => {
      assert.equal(error.message, words);
      return true;
    });
  });
}
