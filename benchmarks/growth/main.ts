/** Measures how costs grow, ours and others', and draws what was measured so far. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { dataRoot, type ServerUnderTest } from "../server-process.ts";
import { OURS, usable } from "../servers.ts";
import { CURVES, type Curve } from "./curves.ts";
import { drawCurve } from "./drawing.ts";
import { PointFile } from "./points.ts";
import { steepnessTable } from "./steepness.ts";

const USAGE = `npm run bench -- growth [options]
  --vs BINARY      measure this etcd too; several may be named
  --curve REGEX    curves whose name matches: ${CURVES.map(({ name }) => name).join(", ")}
  --at N,N         only these sizes
  --node PATH      the node that runs our server (the one that runs this)
  --dir PATH       where data directories are made
  --without-ours   measure only the other binaries
  --draw           measure nothing
Points are added to benchmarks/results/growth.json; all are drawn to docs/internals/growth/.
`;

interface GrowthOptions {
  readonly curve: RegExp;
  readonly sizes: readonly number[] | undefined;
  readonly dir: string | undefined;
  readonly servers: readonly ServerUnderTest[];
}

/** @throws Error for options that are unknown or malformed. */
export async function growth(args: readonly string[], root: string): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      vs: { type: "string", multiple: true, default: [] },
      curve: { type: "string", default: "" },
      at: { type: "string" },
      node: { type: "string", default: process.execPath },
      dir: { type: "string" },
      "without-ours": { type: "boolean", default: false },
      draw: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  const file = new PointFile(root);
  if (!values.draw) {
    const ours = {
      label: OURS,
      binary: join(root, "bin", "etcd"),
      env: { ETCD_NODE: values.node },
    };
    const others = usable(values.vs, values.node, ({ binary, reason }) =>
      tell(`${binary} is left out: ${reason}`),
    );
    await measureAll(file, root, {
      curve: new RegExp(values.curve),
      sizes: values.at?.split(",").map(sizeOf),
      dir: values.dir,
      servers: values["without-ours"] ? others : [ours, ...others],
    });
  }
  draw(file, root);
}

function sizeOf(text: string): number {
  const size = Number(text);
  if (!(size > 0)) throw new Error(`--at takes positive numbers, not ${text}`);
  return size;
}

async function measureAll(file: PointFile, root: string, options: GrowthOptions): Promise<void> {
  const folder = dataRoot(options.dir, join(root, "dist", ".bench"));
  try {
    for (const curve of CURVES.filter(({ name }) => options.curve.test(name))) {
      for (const size of options.sizes ?? curve.sizes) {
        for (const server of options.servers) await measure(file, curve, { server, folder }, size);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A point that fails is told, and the others are measured. */
async function measure(
  file: PointFile,
  curve: Curve,
  subject: { readonly server: ServerUnderTest; readonly folder: string },
  size: number,
): Promise<void> {
  const name = `${curve.name} ${size} ${subject.server.label}`;
  try {
    const values = await curve.measure(subject, size);
    file.keep(subject.server, { curve: curve.name, size, values });
    const parts = Object.entries(values).map(
      ([metric, value]) => `${metric} ${value.toPrecision(4)}`,
    );
    console.log(`${name}: ${parts.join(", ")}`);
  } catch (error) {
    tell(`${name}: ${error instanceof Error ? error.message : error}`);
  }
}

function tell(message: string): void {
  console.error(message);
  process.exitCode = 1;
}

function draw(file: PointFile, root: string): void {
  const folder = join(root, "docs", "internals", "growth");
  mkdirSync(folder, { recursive: true });
  for (const curve of CURVES) {
    const points = file.points.filter((point) => point.curve === curve.name);
    if (points.length === 0) continue;
    writeFileSync(join(folder, `${curve.name}.svg`), drawCurve(curve, points));
  }
  console.log(steepnessTable(CURVES, file.points));
}
