/** The dashboard's Access page in a real browser: users, roles, permissions, and who may do what. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { missingBrowser, openDashboard } from "./dashboard-browser.ts";
import { startEtcd } from "./harness.ts";

const skip = missingBrowser();
const FLAGS = ["--enable-dashboard", "--bcrypt-cost=4"];

test(
  "a user gets a role that grants a prefix, and the page says why it may",
  { skip },
  async () => {
    await using etcd = await startEtcd({ flags: FLAGS });
    await etcd.call("/v3/auth/user/add", { name: "root", password: "r" });
    await etcd.call("/v3/auth/user/grant", { user: "root", role: "root" });
    await etcd.call("/v3/auth/enable");
    await using dashboard = await openDashboard(etcd, "#/access");
    const { page } = dashboard;
    await page.getByRole("dialog").getByLabel("User").fill("root");
    await page.getByLabel("Password").fill("r");
    await page.getByRole("button", { name: "Log in" }).click();
    const eve = "<i>eve";
    const dialog = page.getByRole("dialog");
    await page.getByRole("button", { name: "Add a user" }).click();
    await dialog.getByLabel("Name").fill(eve);
    await dialog.getByLabel("Password").fill("e");
    await dialog.getByRole("button", { name: "Add" }).click();
    const user = page.getByRole("listitem", { name: `User ${eve}` });
    await user.getByText("no role").waitFor();
    await page.getByRole("button", { name: "Add a role" }).click();
    await dialog.getByLabel("Name").fill("apps");
    await dialog.getByRole("button", { name: "Add" }).click();
    const role = page.getByRole("listitem", { name: "Role apps" });
    await role.getByRole("button", { name: "Grant something" }).click();
    await dialog.getByLabel("Key or prefix").fill("/apps/\\x00");
    await dialog.getByRole("button", { name: "Grant" }).click();
    await role.getByText("/apps/\\x00*").waitFor();
    await user.getByRole("button", { name: "Give a role" }).click();
    await dialog.getByLabel("Role").selectOption("apps");
    await dialog.getByRole("button", { name: "Give" }).click();
    await user.getByText("apps ✕").waitFor();
    await page.getByLabel("User", { exact: true }).fill(eve);
    await page.getByLabel("Key", { exact: true }).fill("/apps/\\x00/1");
    await page.getByText("The role apps may read /apps/\\x00*.").waitFor();
    await page.getByLabel("May").selectOption("write");
    await page.getByText(`No role of ${eve} lets it write /apps/\\x00/1.`).waitFor();
    await page.getByLabel("User", { exact: true }).fill("root");
    await page.getByText("root has the role root").waitFor();
    await user.getByText("apps ✕").click();
    await dialog.getByRole("button", { name: "Take" }).click();
    await user.getByText("no role").waitFor();
    await role.getByRole("button", { name: "Delete" }).click();
    await dialog.getByText("No user has it.").waitFor();
    await dialog.getByRole("button", { name: "Delete" }).click();
    await role.waitFor({ state: "detached" });
    assert.equal(await page.locator("i").count(), 0);
    // Who is no administrator is told so, and keeps the rest of the pages.
    await page.getByRole("button", { name: "Log out" }).click();
    await dialog.getByLabel("User").fill(eve);
    await page.getByLabel("Password").fill("e");
    await page.getByRole("button", { name: "Log in" }).click();
    await page
      .getByRole("alert")
      .filter({ hasText: `The user ${eve} may not do that.` })
      .waitFor();
    await dashboard.show("#/live?view=watchers");
    await page.getByRole("alert").filter({ hasText: "Permission denied" }).waitFor();
    dashboard.checkErrors();
  },
);
