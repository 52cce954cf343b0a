/** Results of the offline commands in the output formats of `--write-out`. */
import type { KeyValueHash } from "../../mvcc/index.ts";
import type { Invocation } from "../framework/command.ts";
import { ExitCode, exitWithError } from "../framework/exit.ts";
import { humanizeBytes } from "../../base/go-text.ts";
import { formatTable } from "../framework/table.ts";
import type { SnapshotStatus } from "./snapshot-status.ts";

export type OutputFormat = "simple" | "fields" | "json" | "protobuf" | "table";

const FORMATS: readonly string[] = ["simple", "fields", "json", "protobuf", "table"];

/** Ends the tool when `--write-out` names none. */
export function outputFormat({ flags }: Invocation): OutputFormat {
  const format = flags.string("write-out");
  if (!FORMATS.includes(format)) exitWithError(ExitCode.BAD_FEATURE, "unsupported output format");
  return format as OutputFormat;
}

/** One of a row of results, with its names in the different formats. */
interface Cell {
  readonly column: string;
  readonly field: string;
  readonly json: string;
  readonly value: number | string;
  /** In "simple" and "table", where it differs from the value. */
  readonly shown?: string;
}

/** As etcdctl prints it: without the version, and with all entries counted as keys. */
export function oldStatusRow(status: SnapshotStatus): Cell[] {
  return statusRow({ ...status, totalKey: status.totalEntries }).filter(
    ({ column }) => column !== "version",
  );
}

export function statusRow(status: SnapshotStatus): Cell[] {
  const { hash, revision, totalKey, totalSize, version } = status;
  return [
    { column: "hash", field: "Hash", json: "hash", value: hash, shown: hash.toString(16) },
    { column: "revision", field: "Revision", json: "revision", value: revision },
    { column: "total keys", field: "Keys", json: "totalKey", value: totalKey },
    {
      column: "total size",
      field: "Size",
      json: "totalSize",
      value: totalSize,
      shown: humanizeBytes(totalSize),
    },
    { column: "version", field: "Version", json: "version", value: version },
  ];
}

export function hashRow({ hash, revision, compactRevision }: KeyValueHash): Cell[] {
  return [
    { column: "hash", field: "Hash", json: "hash", value: hash },
    { column: "hash revision", field: "Hash revision", json: "hashRevision", value: revision },
    {
      column: "compact revision",
      field: "Compact revision",
      json: "compactRevision",
      value: compactRevision,
    },
  ];
}

/** The text of the row. Ends the tool for protobuf, which has no such message. */
export function formatRow(cells: readonly Cell[], format: OutputFormat): string {
  const shown = cells.map((cell) => cell.shown ?? String(cell.value));
  switch (format) {
    case "simple":
      return `${shown.join(", ")}\n`;
    case "fields":
      return cells.map(({ field, value }) => `"${field}" : ${value}\n`).join("");
    case "json": {
      const pairs = cells.map(({ json, value }) => [json, value]);
      return `${JSON.stringify(Object.fromEntries(pairs))}\n`;
    }
    case "table":
      return formatTable(
        cells.map(({ column }) => column),
        [shown],
      );
    case "protobuf":
      return exitWithError(ExitCode.BAD_FEATURE, "protobuf not supported as output format");
  }
}
