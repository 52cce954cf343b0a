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

test(
  "a user sees what the roles allow, and is told when a right is gone; the site can be read-only",
  { skip },
  async () => {
    await using etcd = await startEtcd({ flags: [...FLAGS, "--dashboard-read-only"] });
    const root = async (): Promise<Record<string, string>> => {
      const { token } = await etcd.call("/v3/auth/authenticate", { name: "root", password: "r" });
      return { authorization: String(token) };
    };
    for (const key of ["mine/a", "other/b"]) {
      await etcd.call("/v3/kv/put", { key: base64(key), value: base64("v") });
    }
    const hostile = "<img src=x onerror=alert(1)>";
    for (const [name, password] of [
      ["root", "r"],
      [hostile, "p"],
    ]) {
      await etcd.call("/v3/auth/user/add", { name, password });
    }
    const range = { key: base64("mine/"), range_end: base64("mine0") };
    await etcd.call("/v3/auth/role/add", { name: "reader" });
    await etcd.call("/v3/auth/role/grant", {
      name: "reader",
      perm: { permType: "READ", ...range },
    });
    await etcd.call("/v3/auth/user/grant", { user: hostile, role: "reader" });
    await etcd.call("/v3/auth/user/grant", { user: "root", role: "root" });
    await etcd.call("/v3/auth/enable");
    await using dashboard = await openDashboard(etcd);
    const { page } = dashboard;
    await page.getByLabel("User").fill(hostile);
    await page.getByLabel("Password").fill("p");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByText("Permission denied. Search for a prefix").waitFor();
    await page.getByText(hostile).waitFor();
    await page.getByLabel("Begins with").fill("mine/");
    await page.getByRole("button", { name: "Search" }).click();
    await page.getByRole("treeitem", { name: "mine/a" }).click();
    await page.getByText("read-only").waitFor();
    await page.locator(".value").waitFor();
    assert.equal(await page.getByRole("button", { name: "Edit", exact: true }).count(), 0);
    const revoke = await fetch(`${etcd.clientUrl}/v3/auth/role/revoke`, {
      method: "POST",
      headers: await root(),
      body: JSON.stringify({ role: "reader", ...range }),
    });
    assert.equal(revoke.status, 200);
    await page.getByRole("button", { name: "Refresh" }).click();
    await page.getByText("Permission denied. Search for a prefix").waitFor();
    assert.equal(await page.locator("img").count(), 0);
    dashboard.checkErrors();
  },
);

test("colours follow the system until the switch says otherwise", { skip }, async () => {
  await using etcd = await startEtcd({ flags: FLAGS });
  await using dashboard = await openDashboard(etcd, "", { colorScheme: "dark" });
  const { page } = dashboard;
  const shows = async (colours: "light" | "dark"): Promise<unknown> => {
    await page.locator(`html[data-theme="${colours}"]`).waitFor();
    return page.evaluate("getComputedStyle(document.body).backgroundColor");
  };
  const toggle = page.getByRole("button", { name: /Colours/ });
  const dark = await shows("dark");
  await page.emulateMedia({ colorScheme: "light" });
  assert.notEqual(await shows("light"), dark);
  await toggle.click();
  await page.getByRole("button", { name: "Colours: light" }).waitFor();
  await toggle.click();
  assert.equal(await shows("dark"), dark);
  dashboard.checkErrors();
});
