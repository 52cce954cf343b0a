/** The measured points of all curves, in one file that grows with each: series are measured apart. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { machine, versionOf } from "../record.ts";
import type { ServerUnderTest } from "../server-process.ts";
import type { Values } from "./curves.ts";

export interface Point {
  readonly curve: string;
  readonly size: number;
  /** Label of the server. */
  readonly server: string;
  readonly date: string;
  readonly values: Values;
}

interface GrowthRecord {
  readonly machine: object;
  readonly versions: Readonly<Record<string, readonly string[]>>;
  readonly points: readonly Point[];
}

export class PointFile {
  readonly path: string;
  #record: GrowthRecord;

  constructor(root: string) {
    this.path = join(root, "benchmarks", "results", "growth.json");
    this.#record = existsSync(this.path)
      ? (JSON.parse(readFileSync(this.path, "utf8")) as GrowthRecord)
      : { machine: machine(), versions: {}, points: [] };
  }

  get points(): readonly Point[] {
    return this.#record.points;
  }

  /** In place of one of the same curve, size and server. */
  keep(server: ServerUnderTest, point: Omit<Point, "server" | "date">): void {
    const { points, versions } = this.#record;
    const isSame = (other: Point): boolean =>
      other.curve === point.curve && other.size === point.size && other.server === server.label;
    const whole: Point = { ...point, server: server.label, date: new Date().toISOString() };
    this.#record = {
      machine: machine(),
      versions: { ...versions, [server.label]: versionOf(server) },
      points: [...points.filter((other) => !isSame(other)), whole],
    };
    mkdirSync(dirname(this.path), { recursive: true });
    writeFileSync(this.path, `${JSON.stringify(this.#record, null, 2)}\n`);
  }
}
