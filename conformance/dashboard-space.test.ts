/** The dashboard's Space page in a real browser: what fills the database, and the way into it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { missingBrowser, openDashboard } from "./dashboard-browser.ts";
import { startEtcd } from "./harness.ts";

const skip = missingBrowser();

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

test("prefixes are shown by what they weigh, and lead further down", { skip }, async () => {
  await using etcd = await startEtcd({ flags: ["--enable-dashboard"] });
  const put = (key: string, bytes: number) =>
    etcd.call("/v3/kv/put", { key: base64(key), value: base64("x".repeat(bytes)) });
  const hostile = "<img src=x onerror='document.title=1'>";
  for (let i = 0; i < 10; i++) await put(`/large/sub${i % 2}/${i}`, 5000);
  await put(`/${hostile}/k`, 10);
  await put("/alone", 10);
  await using dashboard = await openDashboard(etcd, "#/space?prefix=/");
  const { page } = dashboard;
  const large = page.getByRole("row").filter({ hasText: "/large/" });
  assert.match(await large.innerText(), /\/large\/\s+10\s+50 kB\s+5\.0 kB\s+10\s+1\.0\s+99\.\d %/);
  await page.getByRole("link", { name: `/${hostile}/`, exact: true }).waitFor();
  await page.getByLabel("Widths by").selectOption("keys");
  await page.getByRole("link", { name: /^\/large\/: 10 keys, 50 kB, 83\.3 %/ }).press("Enter");
  await page.getByRole("row").filter({ hasText: "/large/sub1/" }).waitFor();
  assert.match(page.url(), /prefix=%2Flarge%2F/);
  await page.getByLabel("Below the prefix").fill("/none");
  await page.getByRole("button", { name: "Look", exact: true }).click();
  await page.getByText("There are no keys here").waitFor();
  // An answer that does not come, until the survey is cancelled.
  await page.route("**/v3/kv/range", () => undefined);
  await page.getByLabel("Below the prefix").fill("");
  await page.getByRole("button", { name: "Look", exact: true }).click();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByText("Cancelled").waitFor();
  await page.unroute("**/v3/kv/range");
  await page.getByRole("button", { name: "Look again" }).click();
  await page.getByRole("row").filter({ hasText: "Together" }).waitFor();
  await page.getByRole("button", { name: "Look again" }).waitFor();
  // What is seen from above is there while the depths are looked at.
  const together = page.getByRole("row").filter({ hasText: "Together" });
  let requests = 0;
  await page.route("**/v3/kv/range", async (route) => {
    if (requests++ > 0 && (await together.count()) > 0) return;
    await route.fallback();
  });
  await page.getByRole("button", { name: "Look again" }).click();
  await page.getByRole("progressbar").waitFor();
  await together.waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByText("some levels are missing").waitFor();
  await page.getByRole("row").filter({ hasText: "Together" }).waitFor();
  assert.equal(await page.locator("img").count(), 0);
  dashboard.checkErrors();
});
