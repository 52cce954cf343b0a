/**
 * A browser for the tests of the dashboard: Chromium, started once in a test file, and a page of it
 * that has opened the dashboard of a member. Errors of the page fail the test that closes it.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import type { EtcdProcess } from "./harness.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const BINARY = process.env.CHROMIUM ?? "/usr/bin/chromium";
/** For an element to appear; a loaded machine is slow. */

/** As `skip` of a test: false, or why it cannot run. */
export function missingBrowser(): string | false {
  const run = spawnSync(BINARY, ["--version"], { encoding: "utf8" });
  return run.status === 0 ? false : `${BINARY} does not run`;
}

export class Dashboard implements AsyncDisposable {
  readonly page: Page;
  readonly #browser: Browser;
  readonly #errors: string[] = [];

  constructor(browser: Browser, page: Page) {
    this.#browser = browser;
    this.page = page;
    page.setDefaultTimeout(PATIENCE_MS);
    page.on("pageerror", (error) => this.#errors.push(error.stack ?? error.message));
    page.on("console", (message) => {
      // What the network refuses is no error of the page, which says so itself.
      const isNetwork = message.text().startsWith("Failed to load resource");
      if (message.type() === "error" && !isNetwork) this.#errors.push(message.text());
    });
  }

  /** Goes to `hash`, such as "#/keys". */
  async show(hash: string): Promise<void> {
    await this.page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  }

  /** The pages have thrown nothing and broken no rule of the content policy. */
  checkErrors(): void {
    assert.deepEqual(this.#errors, []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}

/** As a tab behind another one, which the browser without a screen does not know. */
export async function setHidden(page: Page, isHidden: boolean): Promise<void> {
  await page.evaluate(`
    Object.defineProperty(document, "hidden", { value: ${isHidden}, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  `);
}

/** Opens the dashboard of a member that was started with `--enable-dashboard`. */
export async function openDashboard(
  etcd: Pick<EtcdProcess, "clientUrl">,
  hash = "",
  options: BrowserContextOptions = {},
): Promise<Dashboard> {
  const browser = await chromium.launch({ executablePath: BINARY, args: ["--no-sandbox"] });
  try {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 800 },
      ...options,
    });
    const dashboard = new Dashboard(browser, await context.newPage());
    await dashboard.page.goto(`${etcd.clientUrl}/dashboard/${hash}`);
    return dashboard;
  } catch (error) {
    await browser.close();
    throw error;
  }
}
