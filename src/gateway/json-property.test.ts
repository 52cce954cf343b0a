/** Random messages and random damage against the JSON mapping of every method's types. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { FieldInfo, MessageType } from "../api/message-type.ts";
import { METHODS } from "../api/rpc-table.ts";
import { decodeJson } from "./json-decode.ts";
import { encodeJson } from "./json-encode.ts";
import { JsonError } from "./json-reader.ts";
import { JsonValueSplitter } from "./json-values.ts";

type Row = Record<string, unknown>;

const TYPES: readonly MessageType<unknown>[] = [
  ...new Set(METHODS.flatMap((method) => [method.request, method.response])),
];
const MAX_DEPTH = 3;

function scalar(field: FieldInfo): fc.Arbitrary<unknown> {
  switch (field.kind) {
    case "bool":
      return fc.boolean();
    case "bytes":
      return fc.uint8Array({ maxLength: 9 });
    case "string":
      return fc.string({ unit: "binary", maxLength: 9 });
    case "int32":
    case "enum":
      return fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    case "uint32":
      return fc.integer({ min: 0, max: 2 ** 32 - 1 });
    case "int64":
      if (field.jsNumber) return fc.maxSafeInteger();
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    default:
      if (field.jsNumber) return fc.maxSafeNat();
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  }
}

function value(field: FieldInfo, depth: number): fc.Arbitrary<unknown> {
  return field.message === undefined ? scalar(field) : message(field.message, depth + 1);
}

function message(type: MessageType<unknown>, depth = 0): fc.Arbitrary<unknown> {
  if (depth > MAX_DEPTH) return fc.constant(type.create());
  const fields = type.fields.map((field) => {
    const filled = field.repeated
      ? fc.array(value(field, depth), { maxLength: 2 })
      : value(field, depth);
    return fc.option(filled, { nil: undefined, freq: 2 });
  });
  return fc.tuple(...fields).map((values) => {
    const row = type.create() as Row;
    type.fields.forEach((field, i) => {
      if (values[i] === undefined) return;
      if (field.oneof !== undefined) row[field.oneof] = { case: field.name, value: values[i] };
      else row[field.name] = values[i];
    });
    return row;
  });
}

test("what is written can be read back, by either spelling of the names", () => {
  for (const type of TYPES) {
    // biome-ignore lint/nursery/noFloatingPromises: the property is synchronous.
    fc.assert(
      fc.property(message(type), fc.boolean(), (original, escapeHtml) => {
        const json = encodeJson(type, original, escapeHtml);
        const bytes = type.encode(original);
        assert.deepEqual(type.encode(decodeJson(type, Buffer.from(json))), bytes, json);
        assert.doesNotThrow(() => JSON.parse(json));
        const splitter = new JsonValueSplitter(1e6);
        assert.deepEqual(splitter.push(Buffer.from(json)), [Buffer.from(json)]);
      }),
      { numRuns: 30 },
    );
  }
});

test("damaged JSON is refused or read, never anything else", () => {
  const damage = fc.tuple(fc.nat(), fc.constantFrom(...'"\\{}[],:0e-.utrnd\n\u00ff\0'));
  for (const type of TYPES) {
    // biome-ignore lint/nursery/noFloatingPromises: the property is synchronous.
    fc.assert(
      fc.property(message(type), fc.array(damage, { maxLength: 4 }), (original, damages) => {
        let json = encodeJson(type, original);
        for (const [at, insert] of damages) {
          const cut = at % (json.length + 1);
          json = json.slice(0, cut) + insert + json.slice(cut + (at % 3));
        }
        const body = Buffer.from(json, at8bit(damages) ? "latin1" : "utf8");
        try {
          type.encode(decodeJson(type, body));
        } catch (error) {
          assert.ok(error instanceof JsonError, `${json}: ${String(error)}`);
        }
      }),
      { numRuns: 30 },
    );
  }
});

/** Every other time the bytes are not even UTF-8. */
function at8bit(damages: readonly (readonly [number, string])[]): boolean {
  return damages.length % 2 === 1;
}

test("what JSON.parse takes for a whole text is taken, what it refuses is refused", () => {
  const { request } = METHODS[0] ?? assert.fail();
  const token = fc.constantFrom(..."{}[],:", '"a"', '"\\u0041"', "1", "-0.5e3", "01", "true", " ");
  // biome-ignore lint/nursery/noFloatingPromises: the property is synchronous.
  fc.assert(
    fc.property(fc.array(token, { maxLength: 8 }), (tokens) => {
      const text = `{"x":${tokens.join("")}}`;
      let isJson = true;
      try {
        JSON.parse(text);
      } catch {
        isJson = false;
      }
      let isTaken = true;
      try {
        decodeJson(request, Buffer.from(text));
      } catch (error) {
        assert.ok(error instanceof JsonError);
        isTaken = false;
      }
      // Text behind the first value is ignored, so more may be taken than JSON.parse does.
      if (isJson) assert.ok(isTaken, text);
      else if (isTaken) assert.ok(!tokens.every((each) => each !== "}"), text);
    }),
    { numRuns: 3000 },
  );
});
