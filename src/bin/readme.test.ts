/**
 * What the README and the guide of the client show is true: the commands of the tour print what
 * stands there, and strict TypeScript compiles the programs. They run on the built package.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { packageRoot } from "../base/testing/package-root.ts";
import { EtcdClient } from "../client/index.ts";
import { freePort } from "../base/testing/free-ports.ts";
import { PATIENCE_MS } from "../base/testing/patience.ts";

const root = packageRoot();
const scratch = mkdtempSync(join(tmpdir(), "etcd-readme-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** The code of all blocks of these languages, in the order of the page. */
function blocksOf(page: string, ...languages: readonly string[]): string[] {
  const text = readFileSync(join(root, page), "utf8");
  const fence = new RegExp(`^\`\`\`(?:${languages.join("|")})\\n(.*?)^\`\`\`$`, "gms");
  return [...text.matchAll(fence)].map(([, code = ""]) => code);
}

interface Step {
  readonly command: string;
  readonly output: string;
}

function stepsOf(block: string): Step[] {
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((step) => {
      const end = step.indexOf("\n");
      return { command: step.slice(0, end), output: step.slice(end + 1) };
    });
}

/** Without what differs from run to run: ids that are chosen, hashes, sizes, times. */
function comparable(output: string): string {
  return output
    .trimEnd()
    .replace(/lease [0-9a-f]{16}/g, "lease …")
    .replace(/took \S+s$/gm, "took …")
    .replace(/sha256 [0-9a-f]{64}/g, "sha256 …")
    .replace(/hash \d+/g, "hash …")
    .replace(/^[0-9a-f]{1,8}, 4, 1, /gm, "…, 4, 1, ")
    .replace(/\d+ pages, \d+ of them free, (\d+) entries, tx \d+/g, "pages, $1 entries")
    .replace(/\d+ kB/g, "… kB")
    .replace(/\d+%/g, "…%");
}

/** A folder that looks like the repository to the tour, and a member with the README's addresses. */
class Tour {
  readonly #folder = mkdtempSync(join(scratch, "tour-"));
  readonly #port: number;
  readonly #peerPort: number;
  #kill: () => Promise<void> = async () => undefined;

  constructor(port: number, peerPort: number) {
    this.#port = port;
    this.#peerPort = peerPort;
    mkdirSync(join(this.#folder, "bin"));
    for (const name of ["etcd", "etcdctl", "etcdutl"]) {
      symlinkSync(join(root, "bin", name), join(this.#folder, "bin", name));
    }
  }

  async start(): Promise<void> {
    const peer = "http://localhost:2380";
    const flags = {
      "listen-client-urls": `http://127.0.0.1:${this.#port}`,
      "advertise-client-urls": "http://localhost:2379",
      "listen-peer-urls": `http://127.0.0.1:${this.#peerPort}`,
      "initial-advertise-peer-urls": peer,
      "initial-cluster": `default=${peer}`,
    };
    const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
    const child = spawn(join("bin", "etcd"), args, {
      cwd: this.#folder,
      env: this.#env,
      stdio: "ignore",
    });
    const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
    this.#kill = () => {
      child.kill("SIGKILL");
      return ended;
    };
    const endpoints = `http://127.0.0.1:${this.#port}`;
    await using client = new EtcdClient({ endpoints, dialTimeoutMs: PATIENCE_MS });
    await client.kv.get("ready", { timeoutMs: PATIENCE_MS });
  }

  kill(): Promise<void> {
    return this.#kill();
  }

  /** What the command prints, as if the member listened on the default port. */
  run(command: string): string {
    const here = command.replaceAll("localhost:2379", `127.0.0.1:${this.#port}`);
    const { stdout, stderr } = spawnSync("/bin/sh", ["-c", here], {
      cwd: this.#folder,
      env: this.#env,
      encoding: "utf8",
      timeout: PATIENCE_MS,
    });
    return (stdout + stderr).replaceAll(`127.0.0.1:${this.#port}`, "127.0.0.1:2379");
  }

  get #env(): NodeJS.ProcessEnv {
    const { PATH = "" } = process.env;
    const endpoint = `127.0.0.1:${this.#port}`;
    return {
      HOME: scratch,
      PATH: `${dirname(process.execPath)}:${PATH}`,
      ETCDCTL_ENDPOINTS: endpoint,
    };
  }
}

test("the tour of the README prints what stands there", async (t) => {
  const tour = new Tour(await freePort(), await freePort());
  t.after(() => tour.kill());
  await tour.start();
  const hasCurl = spawnSync("curl", ["--version"]).error === undefined;
  if (!hasCurl) t.diagnostic("curl is missing: the requests in JSON are left out");
  const page = readFileSync(join(root, "README.md"), "utf8");
  const until = page.indexOf("## A cluster on one machine");
  const blocks = blocksOf("README.md", "console").filter((block) => page.indexOf(block) < until);
  assert.equal(blocks.length, 5);
  for (const [i, block] of blocks.entries()) {
    if (i === blocks.length - 1) {
      await tour.kill();
      await tour.start();
    }
    for (const { command, output } of stepsOf(block)) {
      if (command.startsWith("curl") && !hasCurl) continue;
      assert.equal(comparable(tour.run(command)), comparable(output), command);
    }
  }
});

test("strict TypeScript compiles the programs of the README and of the client's guide", (t) => {
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  if (!existsSync(compiler)) {
    t.skip("typescript is not installed");
    return;
  }
  const folder = mkdtempSync(join(root, "dist", "readme-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const guide = blocksOf("docs/client.md", "js").join("\n");
  const programs = [...blocksOf("README.md", "ts"), ...blocksOf("docs/client.md", "ts"), guide];
  for (const [i, code] of programs.entries()) writeFileSync(join(folder, `program-${i}.mts`), code);
  const compilerOptions = {
    noEmit: true,
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    module: "nodenext",
    target: "es2022",
    lib: ["es2023", "esnext.disposable"],
    types: ["node"],
    typeRoots: [join(root, "node_modules", "@types")],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions }));
  const run = spawnSync(process.execPath, [compiler, "-p", folder], { encoding: "utf8" });
  assert.equal(run.stdout, "");
  assert.equal(run.status, 0);
});

test("the embedded member of the README runs", (t) => {
  const [program = "", ...others] = blocksOf("README.md", "ts");
  assert.deepEqual(others, []);
  // Inside the package, where its own name is known.
  const folder = mkdtempSync(join(root, "dist", "readme-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "embedded.mjs"), program);
  const run = spawnSync(process.execPath, ["embedded.mjs"], {
    cwd: folder,
    encoding: "utf8",
    timeout: PATIENCE_MS,
  });
  const shown = blocksOf("README.md", "console").at(-1);
  assert.deepEqual([run.stdout, run.status], [shown, 0], run.stderr);
});
