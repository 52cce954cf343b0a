/**
 * Writes `docs/settings.md` from the table of settings: `node dist/tools/settings-page.js`.
 * A test fails when the page and the table differ.
 */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { settingOf } from "../src/embed/config/config.ts";
import { describeGates, gateSpec } from "../src/embed/config/feature-gates.ts";
import { type FlagEntry, HELP_SECTIONS } from "../src/embed/config/flags.ts";
import { environmentName } from "../src/embed/config/setting.ts";
import { findRepository } from "./tidy.ts";

export const SETTINGS_PAGE = "docs/settings.md";

const HEAD = `# Settings

Every setting can be given as a flag, as a variable (\`ETCD_\` and the flag in capitals, underscores for hyphens) and, where a
key stands, in a YAML file (\`--config-file\`). A file replaces flags and variables; a flag wins over its variable. Durations
are written like \`1m30s\`, in a file as whole nanoseconds. Lists are separated by commas.

This page is made from the program's own table by \`node dist/tools/settings-page.js\`.
`;

export function settingsPage(): string {
  const parts = [HEAD];
  for (const { title, entries } of HELP_SECTIONS) {
    parts.push(`## ${title}\n`);
    parts.push("| flag | key in a file | default | meaning |\n| --- | --- | --- | --- |");
    parts.push(`${entries.map(row).join("\n")}\n`);
  }
  parts.push("## Feature gates\n");
  parts.push(
    `${describeGates()
      .map((line) => `- \`${line}\``)
      .join("\n")}\n`,
  );
  return parts.join("\n");
}

function row(entry: FlagEntry): string {
  const { key, shown, meaning } = cells(entry);
  const keyCell = key === undefined ? "" : `\`${key}\``;
  const defaultCell = shown === "" ? "" : `\`${shown}\``;
  return `| \`--${entry.flag}\` | ${keyCell} | ${defaultCell} | ${meaning.replaceAll("|", "\\|")} |`;
}

interface Cells {
  readonly key: string | undefined;
  readonly shown: string;
  readonly meaning: string;
}

function cells(entry: FlagEntry): Cells {
  switch (entry.kind) {
    case "setting": {
      const { yaml, shown, type, fallback, help } = settingOf(entry.name);
      return { key: yaml, shown: shown ?? type.format(fallback), meaning: help };
    }
    case "renamed":
      return {
        key: entry.former.yaml.at(-1),
        shown: "",
        meaning: `Now \`--${entry.former.now}\`.`,
      };
    case "gate": {
      const { gate } = entry.former;
      const meaning = `Now \`--feature-gates=${gate}=true\`.`;
      return { key: entry.flag, shown: String(gateSpec(gate).fallback), meaning };
    }
    default: {
      const variable = environmentName(entry.flag);
      return { key: entry.flag, shown: "", meaning: `See below; \`${variable}\` as well.` };
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = findRepository(dirname(fileURLToPath(import.meta.url)));
  writeFileSync(join(root, SETTINGS_PAGE), settingsPage());
}
