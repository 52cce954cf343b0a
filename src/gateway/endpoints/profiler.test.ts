/** Profiles as `go tool pprof` reads them: they name the functions that take time and memory. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { Profile } from "../../api/gen/profile.ts";
import { type FakeResponse, GatewayWorld } from "../testing/world.ts";

interface Row {
  readonly functions: readonly string[];
  readonly values: readonly number[];
}

/** What a reader of the format makes of it. */
function read(response: FakeResponse): { measures: string[]; rows: Row[]; profile: Profile } {
  assert.equal(response.status, 200, response.body);
  const profile = Profile.decode(gunzipSync(Buffer.from(response.body, "latin1")));
  const text = (index: number): string => profile.stringTable[index] ?? "missing";
  const functions = new Map(profile.function.map(({ id, name }) => [id, text(name)]));
  const locations = new Map(profile.location.map(({ id, line }) => [id, line[0]?.functionId ?? 0]));
  const name = (location: number) => functions.get(locations.get(location) ?? 0) ?? "missing";
  const rows = profile.sample.map(({ locationId, value }) => ({
    functions: locationId.map(name),
    values: value,
  }));
  assert.ok(rows.every(({ functions: names }) => !names.includes("missing")));
  return { measures: profile.sampleType.map(({ type }) => text(type)), rows, profile };
}

function total(rows: readonly Row[], functionName: string): number {
  const of = rows.filter(({ functions }) => functions.includes(functionName));
  return of.reduce((sum, { values }) => sum + (values.at(-1) ?? 0), 0);
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Long enough for some samples, whatever else the machine does: it is processor time. */
function burnProcessorTime(): number {
  const begin = process.cpuUsage().user;
  let sum = 0;
  while (process.cpuUsage().user - begin < 200_000) sum += Math.sqrt(sum + 1);
  return sum;
}

function allocateALot(): object[] {
  return Array.from({ length: 200_000 }, (_, i) => ({ i, inner: { text: `value ${i}` } }));
}

test("a profile of the processor has stacks of functions with their time", async () => {
  const world = new GatewayWorld({ pprof: true });
  const running = world.start("/debug/pprof/profile?seconds=20");
  await turn();
  assert.ok(burnProcessorTime() > 0);
  world.clock.advance(20_000);
  await running.ended;
  const { measures, rows, profile } = read(running);
  assert.deepEqual(measures, ["samples", "cpu"]);
  assert.ok(total(rows, "burnProcessorTime") > 100e6, "nanoseconds");
  assert.equal(total(rows, "(idle)"), 0);
  assert.equal(profile.durationNanos, 20e9);
  assert.equal(profile.period, 10e6);
});

test("a profile of the heap tells what lives, one of allocations what was made", async () => {
  const world = new GatewayWorld({ pprof: true });
  await turn();
  const kept = allocateALot();
  const live = read(await world.fetch("/debug/pprof/heap"));
  assert.deepEqual(live.measures, ["inuse_space"]);
  assert.ok(total(live.rows, "allocateALot") > 5e6, "bytes");
  assert.equal(kept.length, 200_000);

  const running = world.start("/debug/pprof/allocs?seconds=5");
  await turn();
  assert.equal(allocateALot().length, 200_000);
  const busy = await world.fetch("/debug/pprof/heap");
  assert.equal(busy.status, 500);
  assert.match(busy.body, /already in use/);
  world.clock.advance(5000);
  await running.ended;
  const made = read(running);
  assert.deepEqual(made.measures, ["alloc_space"]);
  assert.ok(total(made.rows, "allocateALot") > 5e6, "bytes");
  assert.equal(
    (await world.fetch("/debug/pprof/heap?format=v8")).body.startsWith('{"head":'),
    true,
  );
});
