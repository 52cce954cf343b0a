/** Keys and their history in a real browser, clicked through as a user does. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { type Dashboard, missingBrowser, openDashboard, setHidden } from "./dashboard-browser.ts";
import { type EtcdProcess, startEtcd } from "./harness.ts";

const skip = missingBrowser();
const HOSTILE = "<img src=x onerror=\"document.title='hit'\">";
let etcd: EtcdProcess;
let dashboard: Dashboard;
let page: Page;

function base64(data: string | Uint8Array): string {
  return Buffer.from(data).toString("base64");
}

async function put(key: string | Uint8Array, value: string | Uint8Array): Promise<void> {
  await etcd.call("/v3/kv/put", { key: base64(key), value: base64(value) });
}

async function storedValue(key: string | Uint8Array): Promise<string | undefined> {
  const answer = await etcd.call("/v3/kv/range", { key: base64(key) });
  const [kv] = (answer["kvs"] ?? []) as { value?: string }[];
  return kv && Buffer.from(kv.value ?? "", "base64").toString();
}

function item(name: string) {
  return page.getByRole("treeitem", { name, exact: true });
}

function button(name: string) {
  return page.getByRole("button", { name, exact: true });
}

if (skip === false) {
  before(async () => {
    etcd = await startEtcd({ flags: ["--enable-dashboard"] });
    await put("/app/config", '{"b":1,"a":[true,null]}');
    for (let i = 0; i < 300; i++) await put(`/app/items/${String(i).padStart(3, "0")}`, "x");
    await put("/app//odd\n🙂", "empty segment, newline, emoji");
    await put(`/app/${HOSTILE}`, HOSTILE);
    await put(Uint8Array.of(0xff, 0xfe, 0x00), Uint8Array.of(1, 2, 0xff));
    dashboard = await openDashboard(etcd);
    page = dashboard.page;
  });
  after(async () => {
    await dashboard?.[Symbol.asyncDispose]();
    await etcd?.[Symbol.asyncDispose]();
  });
}

test(
  "the tree opens level by level, by mouse and keyboard, and shows any bytes",
  { skip },
  async () => {
    await item("\\xff\\xfe\\x00").waitFor();
    await item("/").click();
    await item("config").waitFor();
    assert.equal(await item(HOSTILE).count(), 1);
    await item("/").nth(1).click();
    await item("odd\\n🙂").waitFor();
    await item("items/").click();
    await item("000").waitFor();
    await page.keyboard.press("End");
    await item("\\xff\\xfe\\x00").waitFor();
    // Rows out of sight are not there.
    assert.equal(await item("000").count(), 0);
    await page.getByText("300 keys below this prefix.", { exact: true }).waitFor();
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowLeft");
    await item("config").waitFor({ state: "detached" });
    await page.keyboard.press("ArrowRight");
    await item("config").waitFor();
  },
);

test("a search begins the tree at any prefix, with any separator", { skip }, async () => {
  // Far down in the list, which then becomes short.
  await page.getByRole("tree").focus();
  await page.keyboard.press("End");
  await page.getByLabel("Begins with").fill("/app/items/29");
  await button("Search").click();
  await item("/app/items/290").waitFor();
  assert.equal(await page.getByRole("treeitem").count(), 10);
  await page.getByLabel("Begins with").fill("");
  await page.getByLabel("Separator").fill("");
  await button("Search").click();
  await item("/app//odd\\n🙂").waitFor();
  await page.getByLabel("Separator").fill("/");
  await button("Search").click();
  await item("/").first().waitFor();
});

test("a hostile key and value are text", { skip }, async () => {
  await item(HOSTILE).click();
  await page.locator(".value").getByText(HOSTILE).waitFor();
  assert.equal(await page.locator("img").count(), 0);
  assert.notEqual(await page.title(), "hit");
  await page.keyboard.press("End");
  await item("\\xff\\xfe\\x00").click();
  await page.getByText("01 02 ff").waitFor();
  await page.keyboard.press("Home");
});

test("a value is edited with a check that nobody else was there", { skip }, async () => {
  await item("config").click();
  await page.locator(".syntax-name").getByText('"b"').waitFor();
  await button("Edit").click();
  await button("Indent").click();
  const editor = page.getByLabel("Value", { exact: true });
  assert.equal((await editor.inputValue()).split("\n").length, 7);
  await editor.fill('{"mine":1}');
  await put("/app/config", '{"theirs":2}');
  await page.getByText("Somebody else has changed this key").waitFor();
  await button("Save").click();
  const conflict = page.getByRole("dialog");
  await conflict.getByText('"theirs": 2').waitFor();
  await conflict.getByText('"mine": 1').waitFor();
  assert.equal(await storedValue("/app/config"), '{"theirs":2}');
  await button("Overwrite with mine").click();
  await button("Edit").waitFor();
  assert.equal(await storedValue("/app/config"), '{"mine":1}');
  // A change by others shows by itself when nothing is being written.
  await put("/app/config", '{"later":3}');
  await page.locator(".value").getByText('"later"').waitFor();
});

test("history goes back version by version, and a version can be had again", { skip }, async () => {
  await button("History").click();
  const versions = page.getByRole("list", { name: "Versions" }).getByRole("button");
  await page.getByText("Created here.").waitFor();
  assert.equal(await versions.count(), 4);
  await versions.filter({ hasText: "Version 2" }).click();
  await page.getByText('"theirs": 2').waitFor();
  await button("Revert to version 2").click();
  await button("Write it again").click();
  await versions.filter({ hasText: "Version 5" }).waitFor();
  assert.equal(await storedValue("/app/config"), '{"theirs":2}');
  await button("Value").click();
});

test("the slider shows keys as they were, back to the compaction", { skip }, async () => {
  await button("Earlier").click();
  const slider = page.getByLabel("As of revision");
  await slider.waitFor();
  assert.equal(await slider.getAttribute("min"), "1");
  await slider.fill("2");
  await page.getByText("Keys as they were at revision 2.").waitFor();
  await item("\\xff\\xfe\\x00").waitFor({ state: "detached" });
  await page.locator(".value").getByText('"b"').waitFor();
  assert.equal(await button("Edit").count(), 0);
  await button("Now").click();
  await button("Edit").waitFor();
  const { header } = await etcd.call("/v3/kv/range", { key: base64("/app/config") });
  const { revision } = header as { revision: string };
  await etcd.call("/v3/kv/compaction", { revision });
  await button("Earlier").click();
  await button("Earlier").click();
  await page.locator(`[aria-label="As of revision"][min="${revision}"]`).waitFor();
  await button("Earlier").click();
  await button("History").click();
  await page.getByText("What was before has been compacted.").waitFor();
  await button("Value").click();
});

test("a key is made with a lease that counts down, and is not made twice", { skip }, async () => {
  const create = async (): Promise<void> => {
    await button("New key").click();
    await page.getByRole("textbox", { name: "Key", exact: true }).fill("/new\\x00\\xff");
    await page.getByLabel("Value", { exact: true }).fill("text");
    await page.getByLabel("Lives for").fill("500");
    await button("Create").click();
  };
  await create();
  await page.getByText(/^\d+ s of 500 s left$/).waitFor();
  const key = Buffer.concat([Buffer.from("/new"), Buffer.of(0, 0xff)]);
  assert.equal(await storedValue(key), "text");
  await create();
  await page.getByText("This key exists already. Nothing was written.").waitFor();
  await button("Cancel").click();
});

test("a value of 1.5 MB is shown in part and whole, and can be written", { skip }, async () => {
  const large = "0123456789abcde\n".repeat(90_000);
  await put("/large", large);
  await dashboard.show("#/keys?key=/large");
  await page.getByText("1.4 MB", { exact: true }).waitFor();
  await button("Show all").click();
  await button("Edit").click();
  const editor = page.getByLabel("Value", { exact: true });
  assert.equal((await editor.inputValue()).length, large.length);
  await editor.evaluate((element) => {
    const area = element as unknown as { value: string; dispatchEvent: (event: unknown) => void };
    area.value = `changed ${area.value}`;
    area.dispatchEvent(new Event("input", { bubbles: true }));
  });
  await button("Save").click();
  await button("Edit").waitFor();
  assert.equal((await storedValue("/large"))?.length, large.length + 8);
});

test("deleting asks first, and a prefix tells how many keys go", { skip }, async () => {
  await button("Delete").click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("Choose a key").waitFor();
  assert.equal(await storedValue("/large"), undefined);
  await dashboard.show(`#/keys?branch=${encodeURIComponent("/app/items/")}`);
  await button("Delete all of them").click();
  await button("Delete 300 keys").click();
  await page.getByText("0 keys below this prefix.", { exact: true }).waitFor();
  assert.equal(await storedValue("/app/items/000"), undefined);
});

test("read-only offers no changes", { skip }, async () => {
  await item("config").click();
  await button("Edit").waitFor();
  await button("Editing").click();
  await button("Edit").waitFor({ state: "detached" });
  assert.equal(await button("New key").count(), 0);
  await button("Read-only").click();
  dashboard.checkErrors();
});

test("an empty tree fills, and a key is followed whatever was compacted", { skip }, async () => {
  await using member = await startEtcd({ flags: ["--enable-dashboard"] });
  await using own = await openDashboard(member);
  await own.page.getByText("There are no keys yet").waitFor();
  const write = (key: string, value: string) =>
    member.call("/v3/kv/put", { key: base64(key), value: base64(value) });
  await write("one", "first");
  const one = own.page.getByRole("treeitem", { name: "one" });
  await one.waitFor();
  for (let i = 0; i < 3; i++) await write("other", String(i));
  await member.call("/v3/kv/compaction", { revision: "5" });
  await one.click();
  const shown = (text: string) => own.page.locator(".value").filter({ hasText: text }).waitFor();
  await shown("first");
  await write("one", "second");
  await shown("second");
  await own.page.getByRole("button", { name: "Edit", exact: true }).click();
  await own.page.getByRole("textbox", { name: "Value" }).fill("mine");
  await own.page.getByRole("button", { name: "History" }).click();
  await own.page.getByRole("button", { name: /^Version 2 / }).waitFor();
  await own.page.getByRole("button", { name: "Value" }).click();
  assert.equal(await own.page.getByRole("textbox", { name: "Value" }).inputValue(), "mine");
  // Read anew meanwhile: a save is still checked against what the editing began from.
  await write("one", "theirs");
  await own.page.getByText("Somebody else has changed this key").waitFor();
  await member.kill();
  await own.page.getByRole("button", { name: "Refresh" }).click();
  const banner = own.page.locator(".banner");
  await banner.waitFor();
  await member.start();
  await banner.waitFor({ state: "detached" });
  await own.page.getByText("Version").first().waitFor();
  await own.page.getByRole("button", { name: "Save" }).click();
  await own.page.getByRole("button", { name: "Take theirs" }).click();
  await shown("theirs");
  await member.call("/v3/kv/deleterange", { key: base64("one") });
  await own.page.getByText("This key does not exist").waitFor();
  await one.waitFor({ state: "detached" });
  await write("one", "third");
  await shown("third");
  await one.waitFor();
  own.checkErrors();
});

test("pages out of sight leave their connections to the one that is seen", { skip }, async () => {
  await put("/tabs", "before");
  const tabs: Page[] = [];
  // A browser makes six connections to a server without TLS.
  for (let i = 0; i < 7; i++) {
    const tab = await page.context().newPage();
    tabs.push(tab);
    await tab.goto(`${etcd.clientUrl}/dashboard/#/keys?key=/tabs`);
    await tab.locator(".value").filter({ hasText: "before" }).waitFor();
    await setHidden(tab, true);
  }
  const [first] = tabs;
  assert.ok(first !== undefined);
  await put("/tabs", "after");
  await setHidden(first, false);
  await first.locator(".value").filter({ hasText: "after" }).waitFor();
  for (const tab of tabs) await tab.close();
});
