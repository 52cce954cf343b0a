/** The dashboard's Live page in a real browser: figures, a watched prefix, leases, watchers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { missingBrowser, openDashboard, setHidden } from "./dashboard-browser.ts";
import { startEtcd } from "./harness.ts";

const skip = missingBrowser();
const FLAGS = ["--enable-dashboard"];
const HOSTILE = '<img src=x onerror="document.title=1">';

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

test("the page shows what a member does, and what changes below a prefix", { skip }, async () => {
  await using etcd = await startEtcd({ flags: FLAGS });
  await using dashboard = await openDashboard(etcd, "#/live");
  const { page } = dashboard;
  await page.getByRole("row").filter({ hasText: "leader" }).waitFor();
  await page.getByRole("img", { name: /^Disk: now fsync p50/ }).waitFor();
  assert.equal(await page.locator("canvas").count(), 3);
  await page.getByRole("link", { name: "Watch", exact: true }).click();
  await page.getByLabel("Prefix to watch").fill("w/");
  await page.getByRole("button", { name: "Watch" }).click();
  await page.getByText("Nothing has changed yet.").waitFor();
  await etcd.call("/v3/kv/put", { key: base64(`w/${HOSTILE}`), value: base64(HOSTILE) });
  await etcd.call("/v3/kv/put", { key: base64("other"), value: base64("x") });
  await page.getByRole("link", { name: `w/${HOSTILE}` }).waitFor();
  await page.getByRole("button", { name: "Pause" }).click();
  await etcd.call("/v3/kv/deleterange", { key: base64(`w/${HOSTILE}`) });
  await page.getByText("1 change came since.").waitFor();
  assert.equal(await page.getByRole("row").count(), 2);
  await page.getByRole("button", { name: "Go on" }).click();
  assert.match(await page.getByRole("row").nth(1).innerText(), /delete\s+w\/<img/);
  await page.getByRole("button", { name: "Clear" }).click();
  await page.getByText("Nothing has changed yet.").waitFor();
  assert.equal(await page.locator("img[src]").count(), 0);
  dashboard.checkErrors();
});

test("what changed while a watch was out of sight is shown when it is back", { skip }, async () => {
  await using etcd = await startEtcd({ flags: FLAGS });
  await using dashboard = await openDashboard(etcd, "#/live?view=watch&on=yes");
  const { page } = dashboard;
  const put = (key: string) => etcd.call("/v3/kv/put", { key: base64(key), value: base64("x") });
  await page.getByText("Nothing has changed yet.").waitFor();
  await setHidden(page, true);
  await put("unseen");
  await setHidden(page, false);
  await page.getByRole("link", { name: "unseen" }).waitFor();
  await put("seen");
  await page.getByRole("link", { name: "seen", exact: true }).waitFor();
  await setHidden(page, true);
  await etcd.call("/v3/kv/deleterange", { key: base64("seen") });
  await setHidden(page, false);
  await page.getByText("delete", { exact: true }).waitFor();
  assert.equal(await page.getByRole("row").count(), 4);
  dashboard.checkErrors();
});

test(
  "leases are shown with their keys and revoked, watchers with their ranges",
  { skip },
  async () => {
    await using etcd = await startEtcd({ flags: FLAGS });
    await etcd.call("/v3/lease/grant", { ID: "4660", TTL: "600" });
    await etcd.call("/v3/kv/put", { key: base64("leased"), lease: "4660" });
    await using dashboard = await openDashboard(etcd, "#/live?view=leases");
    const { page } = dashboard;
    const row = page.getByRole("row").filter({ hasText: "1234" });
    await row.getByRole("link", { name: "leased" }).waitFor();
    await row.getByRole("button", { name: "Revoke" }).click();
    const question = page.getByRole("dialog", { name: "Revoke lease 1234?" });
    await question.getByText("This deletes 1 key.").waitFor();
    await question.getByRole("button", { name: "Revoke" }).click();
    await page.getByText("There are no leases").waitFor();
    await dashboard.show("#/live?view=watchers");
    await page.getByText(/^Nobody watches at/).waitFor();
    const ended = new AbortController();
    const watching = fetch(`${etcd.clientUrl}/v3/watch`, {
      method: "POST",
      body: JSON.stringify({ create_request: { key: base64("x/"), range_end: base64("x0") } }),
      signal: ended.signal,
    });
    const watcher = page.getByRole("row").filter({ hasText: "x/*" });
    await watcher.getByText("JSON").waitFor();
    ended.abort();
    await watching.then(({ body }) => body?.cancel()).catch(() => undefined);
    await page.getByText(/^Nobody watches at/).waitFor();
    dashboard.checkErrors();
  },
);
