import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { emitAll } from "./emit.ts";
import { generate, repositoryRoot } from "./generate.ts";
import { parseProto } from "./parser.ts";
import { buildSchema, lowerCamelCase } from "./schema.ts";

test("the committed codecs are what the generator makes of proto/", () => {
  const root = repositoryRoot();
  const folder = join(root, "src", "api", "gen");
  const modules = generate(join(root, "proto"));
  assert.deepEqual(readdirSync(folder).sort(), [...modules.keys()].sort());
  for (const [name, text] of modules) {
    const committed = readFileSync(join(folder, name), "utf8");
    assert.ok(committed === text, `${name} is stale: run \`npm run codegen\``);
  }
});

test("names follow protobuf's JSON rule", () => {
  assert.equal(lowerCamelCase("range_end"), "rangeEnd");
  assert.equal(lowerCamelCase("member_ID"), "memberID");
  assert.equal(lowerCamelCase("remaining_TTL"), "remainingTTL");
  assert.equal(lowerCamelCase("peerURLs"), "peerURLs");
  assert.equal(lowerCamelCase("ID"), "ID");
});

function refuses(body: string, message: RegExp): void {
  const source = `syntax = "proto3";\npackage t;\n${body}`;
  assert.throws(() => emitAll(buildSchema([parseProto("t.proto", source)])), message);
}

test("what the generator does not understand is refused with file and line", () => {
  refuses("message A { string a = 1 }", /t\.proto:3: expected ";", found "}"/);
  refuses("message A {\n  map<string, string> a = 1;\n}", /t\.proto:4: expected a name, found "<"/);
  refuses("message A {\n  Missing a = 1;\n}", /t\.proto:4: A\.a: unknown type Missing/);
  refuses("message A { string a = 1; string b = 1; }", /A uses a number or name twice/);
  refuses("message A { string a_b = 1; string aB = 2; }", /A uses a number or name twice/);
  refuses("message A {}\nmessage A {}", /t\.A is defined twice/);
  refuses("message A { string a = 0; }", /field number out of range/);
  refuses("message A { string a = 1 [lazy = true]; }", /unknown option lazy/);
  refuses("message A { string a = 1 [jstype = JS_NUMBER]; }", /jstype is for 64-bit integers/);
  refuses("message A { string a = 1 [(codegen.always) = true]; }", /always is for proto2/);
  refuses("message A { string a = 1;", /unexpected end of file/);
  refuses("enum E {}", /enum E has no values/);
  refuses("message A { string a = @; }", /unexpected character "@"/);
});
