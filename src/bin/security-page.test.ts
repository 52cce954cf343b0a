/** The commands of docs/security.md, in their order, with three members on the page's settings. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { packageRoot } from "../base/testing/package-root.ts";
import { within } from "../embed/e2e/wait.ts";
import { freePorts } from "../base/testing/free-ports.ts";
import { PATIENCE_MS } from "../base/testing/patience.ts";

const MEMBERS = [1, 2, 3] as const;

const root = packageRoot();
const scratch = mkdtempSync(join(tmpdir(), "etcd-security-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

const skip = spawnSync("openssl", ["version"]).status === 0 ? false : "openssl is not installed";

/** The page with its addresses on this machine: 10.0.0.1 becomes 127.0.0.2, and so on. */
function localPage(clientPort: number, peerPort: number): string {
  return readFileSync(join(root, "docs", "security.md"), "utf8")
    .replace(/10\.0\.0\.([123])/g, (_, digit: string) => `127.0.0.${Number(digit) + 1}`)
    .replaceAll(":2379", `:${clientPort}`)
    .replaceAll(":2380", `:${peerPort}`);
}

function blocksOf(page: string, language: string): string[] {
  const fence = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms");
  return [...page.matchAll(fence)].map(([, code = ""]) => code);
}

function writeSettings(block: string): void {
  for (const member of MEMBERS) {
    const lines = block.split("\n").map((line) => {
      // All members stand in this one.
      if (line.startsWith("ETCD_INITIAL_CLUSTER=")) return line;
      return line
        .replaceAll("etcd-1", `etcd-${member}`)
        .replaceAll("127.0.0.2", `127.0.0.${member + 1}`);
    });
    writeFileSync(join(scratch, `etcd-${member}.conf`), lines.join("\n"));
  }
}

/** Ends with the script; the members end with it. */
const START = `
members=
for i in 1 2 3; do
  (set -a; . ./etcd-$i.conf; exec etcd) >etcd-$i.log 2>&1 &
  members="$members $!"
done
trap 'kill $members; wait' EXIT
for i in 1 2 3; do
  until grep -q "serving client traffic securely" etcd-$i.log; do
    kill -0 $members 2>/dev/null || { cat etcd-$i.log; exit 1; }
    sleep 0.1
  done
done
`;

/** What each block of the page prints. */
async function runPage(page: string): Promise<string[]> {
  const script = blocksOf(page, "sh").map((block) => {
    const starts = block.startsWith("export ETCDCTL_ENDPOINTS") ? START : "";
    return `${starts}${block}echo "--- next block"\n`;
  });
  const child = spawn("/bin/bash", ["-c", script.join("")], {
    cwd: scratch,
    env: { PATH: `${join(root, "bin")}:${process.env.PATH ?? ""}`, HOME: scratch },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const closed = new Promise((resolve) => child.once("close", resolve));
  try {
    await within(closed, "the end of the page", PATIENCE_MS);
  } finally {
    child.kill();
  }
  const parts = output.split("--- next block\n");
  assert.equal(parts.length, script.length + 1, output);
  return parts;
}

test(
  "a cluster by the page on security: made, asked, renewed, and closed to who is revoked",
  {
    skip,
  },
  async () => {
    const [clientPort = 0, peerPort = 0] = await freePorts(2);
    const page = localPage(clientPort, peerPort);
    const [settings = ""] = blocksOf(page, "ini");
    writeSettings(settings);
    const said = await runPage(page);
    const [, , , asked = "", checked = "", renewed = "", revoked = "", users = "", roles = ""] =
      said;
    const healthy = (text: string): number => text.match(/ is healthy: /g)?.length ?? 0;
    assert.equal(healthy(asked), 3, asked);
    assert.match(asked, /^OK$/m);
    assert.equal(checked.match(/this client can talk to it/g)?.length, 3, checked);
    assert.equal(healthy(renewed), 3, renewed);
    assert.equal(revoked.match(/the server does not accept "CN=app"/g)?.length, 3, revoked);
    assert.equal(healthy(revoked), 3, revoked);
    assert.match(users, /^Authentication Enabled$/m);
    assert.match(roles, /^OK\n.*permission denied.*\nrefused\nOK\nAuthentication Status: true$/ms);
  },
);
