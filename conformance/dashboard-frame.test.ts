/** The frame of the dashboard in a real browser: it opens, asks for a login, and survives a member. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { missingBrowser, openDashboard } from "./dashboard-browser.ts";
import { startEtcd } from "./harness.ts";

const skip = missingBrowser();
const FLAGS = ["--enable-dashboard"];

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

test(
  "the dashboard opens under a strict policy, and shows a hostile key as text",
  { skip },
  async () => {
    await using etcd = await startEtcd({ flags: FLAGS });
    const hostile = '<img src=x onerror="document.title=1">';
    await etcd.call("/v3/kv/put", { key: base64(hostile), value: base64("v") });
    await using dashboard = await openDashboard(etcd);
    await dashboard.page.getByText(hostile).waitFor();
    assert.equal(await dashboard.page.locator("img").count(), 0);
    assert.equal(await dashboard.page.title(), "Keys · etcd");
    dashboard.checkErrors();
  },
);

test(
  "with authentication on, the page asks for a login, and again when it ends",
  { skip },
  async () => {
    await using etcd = await startEtcd({ flags: FLAGS });
    await etcd.call("/v3/kv/put", { key: base64("greeting"), value: base64("v") });
    await etcd.call("/v3/auth/user/add", { name: "root", password: "secret" });
    await etcd.call("/v3/auth/user/grant", { user: "root", role: "root" });
    await etcd.call("/v3/auth/enable");
    await using dashboard = await openDashboard(etcd);
    const { page } = dashboard;
    await page.getByLabel("User").fill("root");
    await page.getByLabel("Password").fill("wrong");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByText("authentication failed, invalid user ID or password").waitFor();
    await page.getByLabel("Password").fill("secret");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByText("greeting").waitFor();
    await page.reload();
    await page.getByText("greeting").waitFor();
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByText("You are logged out.").waitFor();
    dashboard.checkErrors();
  },
);

test(
  "a member that dies is named, and when it is back the page goes on by itself",
  { skip },
  async () => {
    await using etcd = await startEtcd({ flags: FLAGS });
    await etcd.call("/v3/kv/put", { key: base64("before"), value: base64("v") });
    await using dashboard = await openDashboard(etcd);
    const { page } = dashboard;
    await page.getByText("before").waitFor();
    await etcd.kill();
    await page.getByRole("button", { name: "Refresh" }).click();
    await page.getByRole("alert").filter({ hasText: "does not answer" }).first().waitFor();
    await etcd.start();
    await page.getByText("before").waitFor();
    await page.getByRole("alert").first().waitFor({ state: "detached" });
    dashboard.checkErrors();
  },
);
