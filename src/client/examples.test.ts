/** The programs in examples/ and the guide do what they say. They run on the built package. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { EtcdClient } from "./index.ts";
import { soon } from "./testing/check.ts";
import { OUR_WORLD, type SuiteServer } from "./testing/world.ts";

/** The folder of package.json; undefined when the test was moved away from it. */
function findPackage(): string | undefined {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) {
    if (folder === dirname(folder)) return undefined;
    folder = dirname(folder);
  }
  return folder;
}

const root = findPackage();
const isBuilt = root !== undefined && existsSync(join(root, "dist/src/client/index.js"));

/** All `js` blocks of the guide as one module, for the server at `endpoint`. */
function guideProgram(folder: string, endpoint: string): string {
  const guide = readFileSync(join(folder, "docs/client.md"), "utf8");
  const blocks = [...guide.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code);
  const library = pathToFileURL(join(folder, "dist/src/client/index.js")).href;
  return blocks
    .join("\n")
    .replaceAll('"etcd-ts/client"', JSON.stringify(library))
    .replaceAll("http://127.0.0.1:2379", endpoint);
}

class Program {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly ended: Promise<number | null>;
  output = "";
  #onOutput: () => void = () => undefined;

  constructor(path: string, endpoint: string, args: readonly string[]) {
    this.#name = path;
    this.#child = spawn(process.execPath, [path, ...args], {
      cwd: dirname(path),
      env: { ...process.env, ETCD_ENDPOINTS: endpoint },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
        this.#onOutput();
      });
    }
    this.ended = new Promise((resolve) => {
      this.#child.once("close", (code) => {
        resolve(code);
        this.#onOutput();
      });
    });
  }

  /** Waits until the output matches. */
  async prints(pattern: RegExp): Promise<void> {
    const printed = new Promise<void>((resolve) => {
      this.#onOutput = () => {
        if (pattern.test(this.output)) resolve();
      };
      this.#onOutput();
    });
    await soon(printed, `${pattern} from ${this.#name}, which printed:\n${this.output}`);
  }

  /** Asks it to end, and expects that it does so properly. */
  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    assert.equal(await this.end(), 0, this.output);
  }

  end(): Promise<number | null> {
    return soon(this.ended, `the end of ${this.#name}, which printed:\n${this.output}`);
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}

let server: SuiteServer;
const programs: Program[] = [];

before(async () => {
  server = await OUR_WORLD.startServer();
});
after(async () => {
  for (const program of programs) program.kill();
  await server[Symbol.asyncDispose]();
});

function start(name: string, ...args: readonly string[]): Program {
  const path = join(root ?? "", "examples", `${name}.js`);
  const program = new Program(path, server.endpoint, args);
  programs.push(program);
  return program;
}

function exampleTest(name: string, run: () => Promise<void>): void {
  test(name, async (t: TestContext) => {
    if (isBuilt) await run();
    else t.skip("dist/ is not built");
  });
}

exampleTest("processes with a distributed lock lose no update", async () => {
  const [a, b] = [start("distributed-lock"), start("distributed-lock")];
  assert.deepEqual(await Promise.all([a.end(), b.end()]), [0, 0], a.output + b.output);
  await using client = new EtcdClient({ endpoints: server.endpoint });
  assert.equal((await client.kv.get("examples/counter")).kv?.valueText, "10");
});

exampleTest(
  "the simulator finds the update that a lost lease costs, and none with fencing",
  async () => {
    const naive = start("lost-lease", "naive");
    assert.equal(await naive.end(), 1, naive.output);
    const [, seed = ""] = /^seed (\d+): the counter went .*stands still/s.exec(naive.output) ?? [];
    const again = start("lost-lease", "naive", seed);
    assert.equal(await again.end(), 1);
    assert.equal(again.output, naive.output);
    const fenced = start("lost-lease", "fenced");
    assert.equal(await fenced.end(), 0, fenced.output);
    assert.equal(fenced.output, "no update was lost\n");
  },
);

exampleTest("without a server each program says so in one line", async () => {
  for (const [name, ...args] of [
    ["configuration", "set", "a", "b"],
    ["configuration", "watch"],
    ["distributed-lock"],
    ["leader-election"],
    ["service-registry", "discover", "web"],
    ["service-registry", "register", "web", "a:1"],
  ] as const) {
    const path = join(root ?? "", "examples", `${name}.js`);
    const program = new Program(path, "http://127.0.0.1:1", args);
    programs.push(program);
    assert.equal(await program.end(), 1, name);
    assert.match(program.output, /^no endpoint is reachable; [^\n]*connection refused"?\n$/);
  }
});

exampleTest("a program is told of its new configuration", async () => {
  assert.equal(await start("configuration", "set", "color", "red").end(), 0);
  const watching = start("configuration", "watch");
  await watching.prints(/read \{"color":"red"\}/);
  await start("configuration", "set", "log-level", "debug").end();
  await watching.prints(/changed \{"color":"red","log-level":"debug"\}/);
  await start("configuration", "unset", "color").end();
  await watching.prints(/changed \{"log-level":"debug"\}/);
  await watching.stop();
  assert.equal(await start("configuration").end(), 1);
});

exampleTest("services are found while they live", async () => {
  const discovering = start("service-registry", "discover", "web");
  await discovering.prints(/^web: \n/);
  const one = start("service-registry", "register", "web", "10.0.0.1:80");
  await discovering.prints(/^web: 10\.0\.0\.1:80$/m);
  const two = start("service-registry", "register", "web", "10.0.0.2:80");
  await discovering.prints(/^web: 10\.0\.0\.1:80 10\.0\.0\.2:80$/m);
  await one.stop();
  await discovering.prints(/^web: 10\.0\.0\.2:80$/m);
  await two.stop();
  await discovering.stop();
});

exampleTest("when a leader leaves, another candidate leads", async () => {
  const anna = start("leader-election", "anna");
  await anna.prints(/anna was elected/);
  const ben = start("leader-election", "ben");
  await ben.prints(/anna leads/);
  await anna.stop();
  await ben.prints(/ben was elected/);
  await ben.prints(/ben leads/);
  await ben.stop();
});

exampleTest("the guide runs as it stands", async () => {
  const folder = mkdtempSync(join(tmpdir(), "etcd-guide-"));
  try {
    const path = join(folder, "guide.mjs");
    writeFileSync(path, guideProgram(root ?? "", server.endpoint));
    const guide = new Program(path, server.endpoint, []);
    programs.push(guide);
    assert.equal(await guide.end(), 0, guide.output);
    assert.match(guide.output, /^leaseNotFound 5 false$/m);
    assert.match(guide.output, /^\d+ put app\/color blue$/m);
    assert.equal(statSync(join(folder, "backup.db")).size % 512, 32);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
