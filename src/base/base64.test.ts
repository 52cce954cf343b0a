import assert from "node:assert/strict";
import { test } from "node:test";
import { base64Fault } from "./base64.ts";

test("the first broken byte of base64 is where Go says it is", () => {
  const table: readonly (readonly [text: string, fault: number])[] = [
    ["", -1],
    ["YQ", -1],
    ["YQ==", -1],
    ["YWI", -1],
    ["YWI=", -1],
    ["YWJj", -1],
    ["YR", -1],
    ["!!!", 0],
    ["!", 0],
    ["Y", 0],
    ["YWJjY", 4],
    ["YQ=", 2],
    ["YWI_", 3],
    ["YWJj,YWJj", 4],
    ["YWJjZA==YQ==", 8],
    ["Y===", 1],
    ["YQ=a", 2],
  ];
  for (const [text, fault] of table) assert.equal(base64Fault(text), fault, text);
});
