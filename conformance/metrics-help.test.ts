/**
 * Monitoring of a cluster of both kinds takes families together: type and help of each must be the
 * same, or the collector warns. Recorded from etcd 3.6.14; needs no other program.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { repositoryRoot, startEtcd } from "./harness.ts";

const RECORDED = join(repositoryRoot, "conformance", "testdata", "metrics-help.txt");

interface Family {
  readonly type: string;
  readonly help: string;
}

function recorded(): Map<string, Family> {
  const lines = readFileSync(RECORDED, "utf8").split("\n");
  return new Map(
    lines
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => {
        const [, name = "", type = "", help = ""] = /^(\S+) (\S+) (.*)$/.exec(line) ?? [];
        return [name, { type, help }];
      }),
  );
}

function scraped(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  const helps = new Map<string, string>();
  for (const [, what, name = "", rest = ""] of text.matchAll(/^# (HELP|TYPE) (\S+) (.*)$/gm)) {
    if (what === "HELP") helps.set(name, rest);
    else families.set(name, { type: rest, help: helps.get(name) ?? "" });
  }
  return families;
}

/** All but those of the v2 store, which are there with `--enable-v2`, and of snapshots. */
const MIN_COMMON = 80;

test("families that etcd has, too, have its types and helps", async () => {
  await using etcd = await startEtcd({ flags: ["--metrics", "extensive"] });
  const ours = scraped(await (await fetch(`${etcd.clientUrl}/metrics`)).text());
  const common = [...recorded()].filter(([name]) => ours.has(name));
  assert.ok(common.length >= MIN_COMMON, `${common.length} families in common`);
  for (const [name, family] of common) assert.deepEqual(ours.get(name), family, name);
});
