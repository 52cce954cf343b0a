/**
 * What others feel of somebody who guesses a password: so many wrong logins at once over many
 * connections, while another user logs in again and again and a third puts. Prints what each was
 * answered, their waits, and the server's memory.
 *
 *   node dist/benchmarks/login-storm.js [--logins 10000] [--connections 200] [--vs BINARY] [--dir DIR]
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { EtcdClient, EtcdClientError } from "../src/client/index.ts";
import { Histogram } from "./load/histogram.ts";
import { ServerProcess, type ServerUnderTest } from "./server-process.ts";
import { inTurn, TRIAL_OPTIONS } from "./trial.ts";
import { MEGABYTE } from "./workloads.ts";

const PASSWORDS = { root: "r", alice: "a", bob: "b" } as const;
/** The storm goes on for so long at the least; each answer is followed by the next guess. */
const STORM_MS = 10_000;

async function enable(client: EtcdClient): Promise<void> {
  const { auth } = client;
  await auth.roleAdd("root");
  for (const [name, password] of Object.entries(PASSWORDS)) await auth.userAdd(name, password);
  for (const name of ["root", "bob"]) await auth.userGrantRole(name, "root");
  await auth.enable();
}

/** The machine has other work meanwhile. */
const DIAL_TIMEOUT_MS = 60_000;

/** What calls of one kind were answered, and how long the successful ones took. */
class Tally {
  readonly answers = new Map<string, number>();
  readonly waits = new Histogram();

  async count(call: () => Promise<unknown>): Promise<void> {
    const begunMs = performance.now();
    let answer = "ok";
    try {
      await call();
      this.waits.record(performance.now() - begunMs);
    } catch (error) {
      if (!(error instanceof EtcdClientError)) throw error;
      answer = error.kind;
    }
    this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1);
  }

  toString(): string {
    const { p50Ms, p99Ms, maxMs } = this.waits.summary();
    const answers = [...this.answers].map(([answer, count]) => `${count} ${answer}`).join(", ");
    return `${answers}; p50 ${p50Ms.toFixed(1)}, p99 ${p99Ms.toFixed(1)}, max ${maxMs.toFixed(0)} ms`;
  }
}

async function victims(endpoints: string, until: () => boolean): Promise<string> {
  const logins = new Tally();
  const puts = new Tally();
  const credentials = { username: "bob", password: PASSWORDS.bob };
  const dialTimeoutMs = DIAL_TIMEOUT_MS;
  await using putting = new EtcdClient({ endpoints, credentials, dialTimeoutMs });
  await using logging = new EtcdClient({ endpoints, dialTimeoutMs });
  await putting.kv.put("k", "v");
  const loop = async (tally: Tally, call: () => Promise<unknown>) => {
    do await tally.count(call);
    while (!until());
  };
  await Promise.all([
    loop(logins, () => logging.auth.authenticate("bob", PASSWORDS.bob)),
    loop(puts, () => putting.kv.put("k", "v")),
  ]);
  return `bob's logins: ${logins}\n  bob's puts: ${puts}`;
}

async function storm(endpoints: string, count: number, connections: number): Promise<string> {
  const guesses = new Tally();
  let next = 0;
  const endMs = performance.now() + STORM_MS;
  const guess = async (client: EtcdClient): Promise<void> => {
    do await guesses.count(() => client.auth.authenticate("alice", `guess ${next++}`));
    while (performance.now() < endMs);
  };
  const options = { endpoints, dialTimeoutMs: DIAL_TIMEOUT_MS };
  const clients = Array.from({ length: connections }, () => new EtcdClient(options));
  const guessers = Array.from({ length: count }, (_, i) =>
    guess(clients[i % connections] as EtcdClient),
  );
  await Promise.all(guessers);
  for (const client of clients) client.close();
  return `guesses: ${guesses}`;
}

/** In a process of its own, so that it holds up no victim but in the server. */
async function stormElsewhere(endpoint: string, count: number, connections: number): Promise<void> {
  const args = ["--storm", endpoint, "--logins", String(count), "--connections", `${connections}`];
  const child = fork(fileURLToPath(import.meta.url), args, { execArgv: [] });
  await once(child, "exit");
}

async function measure(
  server: ServerUnderTest,
  folder: string,
  count: number,
  connections: number,
): Promise<void> {
  const member = new ServerProcess(server, folder);
  try {
    await member.start();
    const endpoint = `http://127.0.0.1:${member.port}`;
    await using client = new EtcdClient({ endpoints: endpoint });
    await enable(client);
    const memory = (): string => `${(member.usage().residentBytes / MEGABYTE).toFixed(0)} MB`;
    const aloneEndMs = performance.now() + STORM_MS / 4;
    console.log(`${server.label}, alone, ${memory()}`);
    console.log(`  ${await victims(endpoint, () => performance.now() > aloneEndMs)}`);
    let isOver = false;
    const attack = stormElsewhere(endpoint, count, connections).finally(() => {
      isOver = true;
    });
    const felt = await victims(endpoint, () => isOver);
    console.log(`${server.label}, ${count} guesses at once, ${memory()}`);
    console.log(`  ${felt}`);
    await attack;
  } finally {
    await member.stop();
    member.removeData();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      logins: { type: "string", default: "10000" },
      connections: { type: "string", default: "200" },
      ...TRIAL_OPTIONS,
      storm: { type: "string" },
    },
  });
  const [count, connections] = [Number(values.logins), Number(values.connections)];
  if (values.storm !== undefined) {
    console.log(`  ${await storm(values.storm, count, connections)}`);
    return;
  }
  await inTurn(values, (server, folder) => measure(server, folder, count, connections));
}

await main();
