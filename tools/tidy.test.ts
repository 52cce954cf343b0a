/** The repository keeps its own rules, and the rules find what they are for. */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { readSource } from "./source-text.ts";
import {
  checkDocuments,
  checkSources,
  findRepository,
  formatFinding,
  readSources,
} from "./tidy.ts";
import { contextProblems, wingProblems } from "./tidy-wings.ts";
import { fileProblems, longFunctions } from "./tidy-rules.ts";

test("the repository is tidy", () => {
  const root = findRepository(dirname(fileURLToPath(import.meta.url)));
  const findings = [...checkSources(readSources(root)), ...checkDocuments(root)];
  assert.equal(findings.map(formatFinding).join("\n"), "");
});

test("comments and the insides of literals are not code", () => {
  const { code } = readSource(
    "a.ts",
    'const a = "// no"; // yes\nconst b = `x @{f("}")} y`; /* z */ const c = /["`/]+/g;\nreturn 1 / 2;'.replace(
      "@",
      "$",
    ),
  );
  assert.equal(
    code.replace(/ +/g, " "),
    'const a = " "; \nconst b = ` @{f(" ")} `; const c = / /g;\nreturn 1 / 2;'.replace("@", "$"),
  );
});

const wing = (path: string, specifier: string): number =>
  wingProblems(readSource(path, `import type { T } from "${specifier}";\n`)).length;

test("no wing of the member points back", () => {
  assert.equal(wing("src/server/services/a.ts", "../consensus/x.ts"), 0);
  assert.equal(wing("src/server/consensus/a.ts", "../services/x.ts"), 1);
  assert.equal(wing("src/server/consensus/a.test.ts", "../services/x.ts"), 0);
  assert.equal(wing("src/server/apply/a.ts", "../options.ts"), 0);
  assert.equal(wing("src/server/apply/a.ts", "../etcd-server.ts"), 1);
  assert.equal(wing("src/server/options.ts", "./apply/x.ts"), 1);
  assert.equal(wing("src/server/etcd-server.ts", "./services/x.ts"), 0);
  assert.equal(wing("src/server/unheard/a.ts", "./x.ts"), 1);
});

const context = (body: string): string[] => {
  const head = 'import type { ServerContext } from "../context.ts";\n';
  return contextProblems(readSource("src/server/apply/a.ts", head + body)).map(({ text }) => text);
};

test("a part of the member names what it needs of it, and no more", () => {
  const whole = "takes the whole ServerContext; Pick what is needed";
  assert.deepEqual(context("function f(server: ServerContext, a: number) {}"), [whole]);
  assert.deepEqual(context("class A { readonly #server: ServerContext; }"), [whole]);
  const needs = 'type Needs = Pick<ServerContext, "clock" | "logger">;\n';
  assert.deepEqual(context(`${needs}const { clock, logger } = server;`), []);
  assert.deepEqual(context(`${needs}server.clock.nowMs();`), ["picks logger and does not use it"]);
});

const HEADER = "/** What it is. */\n";
const problems = (path: string, body: string): string[] =>
  fileProblems(readSource(path, HEADER + body)).map(({ text }) => text);

test("banned things are found where they stand", () => {
  assert.equal(problems("src/a.ts", "const a = b as any;").length, 1);
  assert.equal(problems("src/a.ts", "const a: any = 1;").length, 1);
  assert.equal(problems("src/a.ts", 'const a = "as any";').length, 0);
  assert.equal(problems("src/a.ts", "export default 1;").length, 1);
  assert.equal(problems("src/a.ts", "const a = b[0]!;").length, 1);
  assert.equal(problems("src/a.ts", "const a = b!.c;").length, 1);
  assert.equal(problems("src/a.ts", "if (a !== b && !c) d();").length, 0);
  assert.equal(problems("src/a.test.ts", "const a = b[0]!;").length, 0);
  assert.equal(problems("src/a.test.ts", 'test.only("x", () => {});').length, 1);
  assert.equal(problems("src/a.ts", "list.skip(3);").length, 0);
  assert.equal(problems("src/a.ts", `// ${"TO"}DO: later`).length, 1);
  assert.equal(problems("src/a.ts", `// ${"TO"}DO(#12): later`).length, 0);
  assert.equal(problems("src/a.ts", "enum A { B }").length, 1);
});

test("files and lines have their lengths, long texts excepted", () => {
  assert.equal(problems("src/a.ts", "a;\n".repeat(801)).length, 1);
  assert.equal(problems("src/a.ts", `const a = b${" + c".repeat(30)};`).length, 1);
  assert.equal(problems("src/a.ts", `const a = "${"x".repeat(120)}";`).length, 0);
  assert.equal(problems("src/a.ts", `// ${"word ".repeat(30)}`).length, 1);
  assert.equal(fileProblems(readSource("src/a.ts", "const a = 1;\n")).length, 1);
});

test("long functions are listed", () => {
  const body = "    a();\n".repeat(70);
  const source = readSource(
    "src/a.ts",
    `function short() {\n  a();\n}\nexport function long(): void {\n${body}}\nclass C {\n  #alsoLong(x: number): void {\n${body}  }\n}\n`,
  );
  assert.deepEqual(
    longFunctions(source).map(({ name, line, lines }) => [name, line, lines]),
    [
      ["long", 4, 72],
      ["#alsoLong", 77, 72],
    ],
  );
});
