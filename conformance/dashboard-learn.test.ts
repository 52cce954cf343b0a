/** The page of a local cluster in a real browser: members are broken by its buttons. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { freePortRow } from "../src/base/testing/free-ports.ts";
import { missingBrowser, openDashboard } from "./dashboard-browser.ts";
import { repositoryRoot } from "./harness.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const scratch = mkdtempSync(join(tmpdir(), "etcd-learn-"));
after(() => rmSync(scratch, { recursive: true, force: true }));
const SCREENSHOTS = process.env.LEARN_SCREENSHOTS ?? "";

test(
  "members are cut off, killed and started by the page's buttons, under a load with a verdict",
  { skip: missingBrowser(), timeout: 3 * PATIENCE_MS },
  async () => {
    const flags = ["--temporary", "--port", String(await freePortRow(3, 3)), "--port-step", "3"];
    const launcher = spawn(join(repositoryRoot, "bin", "etcd-cluster"), ["start", ...flags], {
      env: { ...process.env, XDG_RUNTIME_DIR: scratch },
      stdio: ["ignore", "pipe", 2],
    });
    const closed = once(launcher, "close");
    const { stdout } = launcher;
    assert.ok(stdout);
    try {
      const [, base = "", hash = ""] = await printed(stdout, /(http:\S+)\/dashboard\/(#\S+)/);
      await printed(stdout, /became leader/);
      const fetched = await fetch(`${base}/lab/state`);
      assert.equal(fetched.status, 403);
      const foreign = await fetch(`${base}/version`, { headers: { origin: "http://elsewhere" } });
      assert.equal(foreign.status, 403);
      await using dashboard = await openDashboard({ clientUrl: base }, hash);
      const { page } = dashboard;
      const shoot = async (name: string): Promise<void> => {
        if (SCREENSHOTS === "") return;
        mkdirSync(SCREENSHOTS, { recursive: true });
        await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
      };
      const members = page.getByRole("region", { name: "Members" });
      const leaderRow = members.getByRole("row").filter({ hasText: "leader" });
      await leaderRow.waitFor();
      await page.getByRole("button", { name: "Linearizable reads" }).click();
      await page.getByText("Linearizable so far").waitFor();
      const leader = (await leaderRow.getByRole("checkbox").locator("..").innerText()).trim();

      await members.getByLabel(leader, { exact: true }).check();
      await page.getByRole("button", { name: "Cut the chosen off" }).click();
      const other = members
        .getByRole("row")
        .filter({ hasText: "leader" })
        .filter({ hasNotText: "pre-" });
      await members
        .getByRole("row")
        .filter({ hasText: `${leader}pre-candidate` })
        .waitFor();
      await other.filter({ hasText: `does not reach ${leader}` }).waitFor();
      await shoot("partition");
      await page.getByRole("button", { name: "Heal" }).click();
      await members
        .getByRole("row")
        .filter({ hasText: `${leader}follower` })
        .waitFor();

      await page.getByRole("button", { name: `Kill ${leader}` }).click();
      await members.getByRole("row").filter({ hasText: "killed" }).waitFor();
      await shoot("killed");
      await page.getByText("Linearizable so far").waitFor();
      // The page and the keys go on, by another member.
      await dashboard.show("#/keys");
      await page
        .getByText(/^etcd-cluster/)
        .first()
        .waitFor();
      await dashboard.show("#/learn");
      await page.getByRole("button", { name: `Start ${leader}` }).click();
      await members
        .getByRole("row")
        .filter({ hasText: `${leader}follower` })
        .waitFor();

      const slow = page.getByRole("button", { name: `Slow ${leader}` });
      await slow.click();
      await members.getByText("300 ms late").waitFor();
      await page.getByRole("button", { name: "Stale reads" }).click();
      await page.getByText("Not linearizable").waitFor();
      await page.getByText("staleRead").waitFor();
      await shoot("stale");
      await page.emulateMedia({ colorScheme: "dark" });
      await page.setViewportSize({ width: 380, height: 800 });
      await shoot("narrow-dark");
      await slow.click();
      await page.getByRole("button", { name: `Pause ${leader}` }).click();
      await page.getByRole("button", { name: `Resume ${leader}` }).click();
      await page.getByRole("button", { name: `Pause ${leader}` }).waitFor();
      dashboard.checkErrors();
    } finally {
      launcher.kill("SIGINT");
      await closed;
    }
  },
);

/** What the launcher has printed so far, for each of the streams that are read. */
const texts = new WeakMap<NodeJS.ReadableStream, { text: string }>();

async function printed(stream: NodeJS.ReadableStream, pattern: RegExp): Promise<RegExpExecArray> {
  let held = texts.get(stream);
  if (held === undefined) {
    const kept = { text: "" };
    texts.set(stream, (held = kept));
    stream.setEncoding("utf8").on("data", (part: string) => {
      kept.text += part;
    });
  }
  for (;;) {
    const found = pattern.exec(held.text);
    if (found !== null) return found;
    await once(stream, "data");
  }
}
