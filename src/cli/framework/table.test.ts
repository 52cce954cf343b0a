import assert from "node:assert/strict";
import { test } from "node:test";
import { formatTable } from "./table.ts";
import { wrapText } from "./wrap.ts";

test("a long cell is broken at blanks, and the last line keeps a blank at the end", () => {
  const name = "a name with several words that is certainly long enough to wrap once or twice";
  assert.deepEqual(
    formatTable(
      ["id", "errors"],
      [
        ["1", name],
        ["22", "memberID:11975791918105126159 alarm:NOSPACE "],
      ],
    ).split("\n"),
    [
      "+----+--------------------------------+",
      "| ID |             ERRORS             |",
      "+----+--------------------------------+",
      "|  1 | a name with several words that |",
      "|    |    is certainly long enough to |",
      "|    |             wrap once or twice |",
      "| 22 |  memberID:11975791918105126159 |",
      "|    |                 alarm:NOSPACE  |",
      "+----+--------------------------------+",
      "",
    ],
  );
});

test("a word that is longer than a line stays whole, and gives the others its room", () => {
  const url = "http://a-very-long-host-name-of-a-machine.example.com:2379";
  assert.deepEqual(wrapText(`${url} x y`, 30), [url, "x y"]);
  assert.match(formatTable(["u"], [[url]]), new RegExp(`\\| ${url} \\|`));
});

test("wide letters count twice", () => {
  assert.deepEqual(
    formatTable(["name"], [["节点一"], ["abc"]])
      .split("\n")
      .slice(3, 5),
    ["| 节点一 |", "|    abc |"],
  );
});

/** Every way to break, tried out. */
function leastRagged(words: readonly string[], room: number): number {
  if (words.join(" ").length <= room) return 0;
  let least = Number.POSITIVE_INFINITY;
  for (let end = 1; end < words.length; end++) {
    const width = words.slice(0, end).join(" ").length;
    if (width > room) break;
    least = Math.min(least, (room - width) ** 2 + leastRagged(words.slice(end), room));
  }
  return least;
}

test("of all ways to break, one with the least raggedness is taken", () => {
  for (let seed = 1; seed < 60; seed++) {
    const words = Array.from({ length: 9 }, (_, i) =>
      "w".repeat(((seed * (i + 3) * 7919) % 9) + 1),
    );
    const lines = wrapText(words.join(" "), 14);
    assert.equal(lines.join(" "), words.join(" "));
    const cost = lines.slice(0, -1).reduce((sum, { length }) => sum + (14 - length) ** 2, 0);
    assert.equal(cost, leastRagged(words, 14), words.join(" "));
  }
});

test("a table has centred headings in capitals and cells to the right", () => {
  assert.equal(
    formatTable(["ID", "is_learner"], [["8e9e05c52164694d", "false"]]),
    [
      "+------------------+------------+",
      "|        ID        | IS LEARNER |",
      "+------------------+------------+",
      "| 8e9e05c52164694d |      false |",
      "+------------------+------------+",
      "",
    ].join("\n"),
  );
});
