import assert from "node:assert/strict";
import { test } from "node:test";
import type { CommandSpec } from "./command.ts";
import { exitWithError } from "./exit.ts";
import { SystemClock } from "../../env/system-clock.ts";
import type { Io } from "./io.ts";
import { runTool } from "./run-tool.ts";

const TOOL: CommandSpec = {
  use: "tool",
  short: "A tool.",
  persistentFlags: [
    {
      name: "write-out",
      short: "w",
      kind: "string",
      default: "simple",
      usage: "the format",
      values: ["json", "simple"],
    },
    { name: "hosts", kind: "strings", default: "[a:1]", usage: "hosts" },
    { name: "wait", kind: "duration", default: "5s", usage: "time" },
  ],
  commands: [
    {
      use: "show [options] <key>",
      short: "Shows a key",
      flags: [
        { name: "limit", kind: "int", default: "0", usage: "most" },
        { name: "all", short: "a", kind: "bool", default: "false", usage: "all" },
      ],
      load:
        async () =>
        async ({ args, flags, io }) => {
          if (args[0] === "bad") exitWithError(128, "bad key");
          const { argsBeforeDash } = flags;
          io.status("half done");
          io.out(
            `${args.join(",")} ${flags.text("limit")} ${flags.bool("all")} ${flags.string("write-out")} ${flags.text("hosts")} ${flags.text("wait")} ${argsBeforeDash}\n`,
          );
        },
    },
    {
      use: "group <subcommand>",
      short: "A group",
      commands: [
        {
          use: "list",
          short: "Lists",
          load:
            async () =>
            async ({ io }) =>
              io.out("list\n"),
        },
      ],
    },
  ],
};

const statuses: string[] = [];

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const io: Io = {
    argv,
    env: {},
    out: (data) => {
      out += String(data);
    },
    err: (data) => {
      err += String(data);
    },
    status: (text) => statuses.push(text),
    clock: new SystemClock({ holdsProcess: true }),
    stdin: {
      isTerminal: false,
      readLine: async () => undefined,
      readAll: async () => Buffer.alloc(0),
    },
  };
  const code = await runTool(TOOL, { version: "1.2.3", apiVersion: "1.2" }, io);
  return { code, out, err };
}

test("output for programs comes without a status line", async () => {
  for (const format of ["simple", "table", "json", "fields", "protobuf"]) {
    await run("show", "k", "-w", format);
  }
  assert.deepEqual(statuses.splice(0), ["half done", "half done"]);
});

test("flags may stand before, between and behind words, in every form", async () => {
  const rows: [string, string][] = [
    ["show k", "k 0 false simple [a:1] 5s undefined"],
    ["-w json show k --limit=3 -a", "k 3 true json [a:1] 5s undefined"],
    ["--write-out=json show --limit 0x10 k l", "k,l 16 false json [a:1] 5s undefined"],
    ["show -wjson k --hosts b:1,c:2 --hosts d:3", "k 0 false json [b:1,c:2,d:3] 5s undefined"],
    ["show -w=json -- k --limit", "k,--limit 0 false json [a:1] 5s 0"],
    ["show k --all=false --wait 1m30s -", "k,- 0 false simple [a:1] 1m30s undefined"],
    ["sho -aw json k", "k 0 true json [a:1] 5s undefined"],
  ];
  for (const [line, expected] of rows) {
    const { out, code } = await run(...line.split(" "));
    assert.deepEqual([line, out.trimEnd(), code], [line, expected, 0]);
  }
});

test("a wrong flag is named, with the usage of its command and exit code 1", async () => {
  const rows: [string, string][] = [
    ["show --nope", "unknown flag: --nope"],
    ["show -x", "unknown shorthand flag: 'x' in -x"],
    ["show --limit", "flag needs an argument: --limit"],
    ["show -w", "flag needs an argument: 'w' in -w"],
    ["show ---x", "bad flag syntax: ---x"],
    [
      "show --limit a",
      'invalid argument "a" for "--limit" flag: strconv.ParseInt: parsing "a": invalid syntax',
    ],
    [
      "show --wait 5 k",
      'invalid argument "5" for "--wait" flag: time: missing unit in duration "5"',
    ],
    [
      "show --all=x",
      'invalid argument "x" for "-a, --all" flag: strconv.ParseBool: parsing "x": invalid syntax',
    ],
  ];
  for (const [line, expected] of rows) {
    const { out, err, code } = await run(...line.split(" "));
    assert.deepEqual([line, err, code], [line, `Error: ${expected}\n\n`, 1]);
    assert.match(out, /^NAME:\n {2}show - Shows a key\n/);
  }
});

test("an unknown command is refused with what was perhaps meant", async () => {
  assert.deepEqual(await run("shwo"), {
    code: 1,
    out: "",
    err: 'Error: unknown command "shwo" for "tool"\n\nDid you mean this?\n\tshow\n\nRun \'tool --help\' for usage.\n',
  });
  assert.equal(
    (await run("zzzzzz")).err,
    'Error: unknown command "zzzzzz" for "tool"\nRun \'tool --help\' for usage.\n',
  );
});

test("a command ends with its message and its exit code", async () => {
  assert.deepEqual(await run("show", "bad"), { code: 128, out: "", err: "Error: bad key\n" });
});

test("a group without a known sub-command prints its help", async () => {
  const { out, code } = await run("group", "nope");
  assert.equal(code, 0);
  assert.equal(
    out,
    [
      "NAME:",
      "  group - A group",
      "",
      "USAGE:",
      "  tool group <subcommand> [flags]",
      "",
      "API VERSION:",
      "  1.2",
      "",
      "COMMANDS:",
      "  list\tLists",
      "",
      "OPTIONS:",
      "  -h, --help[=false]\thelp for group",
      "",
      "GLOBAL OPTIONS:",
      "      --hosts=[a:1]\t\thosts",
      "      --wait=5s\t\t\ttime",
      '  -w, --write-out="simple"\tthe format',
      "",
      "",
    ].join("\n"),
  );
});

test("help of a command is the same by flag and by the help command", async () => {
  assert.deepEqual(await run("help", "show"), await run("show", "-h"));
  assert.match((await run("help", "nope")).err, /^Unknown help topic \[`nope`\]\n$/);
});

test("a shell is told commands, flags and their values", async () => {
  const words = async (...argv: string[]): Promise<string> =>
    (await run("__completeNoDesc", ...argv)).out;
  assert.equal(await words("s"), "show\n:4\n");
  assert.equal(await words("group", ""), "list\n:4\n");
  assert.equal(await words("show", "--li"), "--limit\n:4\n");
  const formats = await words("show", "-w", "j");
  assert.match(formats, /^json\n(.*\n)*:0\n$/m);
  assert.equal(await words("show", "-w=s"), formats);
  assert.equal(await words("show", "--", "-"), ":0\n");
  assert.equal(await words("show", "-h", ""), ":4\n");
  const refused = await run("__complete", "nope", "");
  assert.equal(refused.out, ":0\n");
  assert.match(
    refused.err,
    /^\[Debug\] \[Error\] unable to find a command for arguments: \[nope\]\n/,
  );
});
