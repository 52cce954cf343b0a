/**
 * The folder that holds the members of our own form. `cluster.json` in it says what the cluster is
 * made of, because the members keep their peers' addresses for good: starting them with another
 * size or other ports would make a cluster that never finds itself.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseTls } from "./cluster-tls.ts";
import { type ClusterShape, shapeProblem } from "./plan.ts";

const SHAPE_FILE = "cluster.json";
/** Three numbers, and paths of three files. */
const MAX_SHAPE_BYTES = 16_384;
const DEFAULT_SHAPE: ClusterShape = { size: 3, port: 12_379, portStep: 10_000 };

const FLAGS = { size: "--size", port: "--port", portStep: "--port-step" } as const;

/**
 * The shape to start: what is given, then what the folder holds, then the defaults.
 * @throws Error when the folder holds another cluster, or something else.
 */
export function chooseShape(folder: string, given: Partial<ClusterShape>): ClusterShape {
  const kept = readShape(folder);
  const shape = { ...DEFAULT_SHAPE, ...kept, ...given };
  const problem = shapeProblem(shape);
  if (problem !== undefined) throw new Error(problem);
  for (const key of ["size", "port", "portStep"] as const) {
    if (kept === undefined || kept[key] === shape[key]) continue;
    throw new Error(
      `${folder} holds a cluster made with ${FLAGS[key]} ${kept[key]}; leave the flag out, ` +
        `or choose another --data-dir`,
    );
  }
  if (kept !== undefined && (kept.tls === undefined) !== (shape.tls === undefined)) {
    throw new Error(`${folder} holds a cluster made without TLS; choose another --data-dir`);
  }
  return shape;
}

/** Makes the folder, and writes down the shape of a new cluster, or other files of certificates. */
export function keepShape(folder: string, shape: ClusterShape): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, SHAPE_FILE);
  const text = `${JSON.stringify(shape)}\n`;
  const isNew = !existsSync(path) || readFileSync(path, "utf8") !== text;
  if (isNew) writeFileSync(path, text, { mode: 0o600 });
}

function readShape(folder: string): ClusterShape | undefined {
  const path = join(folder, SHAPE_FILE);
  if (!existsSync(path)) {
    if (!existsSync(folder) || readdirSync(folder).length === 0) return undefined;
    throw new Error(`${folder} is not empty and holds no cluster; choose another --data-dir`);
  }
  const shape = statSync(path).size > MAX_SHAPE_BYTES ? undefined : parseShape(path);
  if (shape !== undefined && shapeProblem(shape) === undefined) return shape;
  throw new Error(`${path} is damaged; it should be like ${JSON.stringify(DEFAULT_SHAPE)}`);
}

function parseShape(path: string): ClusterShape | undefined {
  try {
    const value = JSON.parse(readFileSync(path, "utf8")) as Partial<Record<string, unknown>>;
    const { size, port, portStep } = value;
    const tls = parseTls(value["tls"]);
    if ((tls === undefined) !== (value["tls"] === undefined)) return undefined;
    const isShape = [size, port, portStep].every(Number.isSafeInteger);
    return isShape ? ({ size, port, portStep, ...(tls && { tls }) } as ClusterShape) : undefined;
  } catch {
    return undefined;
  }
}
