/** Two values beside each other, line by line; bytes that are no text are compared as hex. */
import { textOf } from "../api/bytes.ts";
import { formatted, guessFormat, indentedJson, sizeText } from "../keys/value-format.ts";
import { lineDiff, shortened } from "./line-diff.ts";

/** Unchanged lines around a change. */
const CONTEXT_LINES = 3;
/** Larger values are not compared line by line. */
const MAX_COMPARED_BYTES = 512 * 1024;

export interface DiffViewProps {
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  readonly beforeName: string;
  readonly afterName: string;
}

const SIGNS = { same: " ", removed: "−", added: "+" } as const;

export function DiffView({ before, after, beforeName, afterName }: DiffViewProps) {
  if (Math.max(before.length, after.length) > MAX_COMPARED_BYTES) {
    return (
      <p class="muted">
        Too large to be compared: {sizeText(before.length)} ({beforeName}), {sizeText(after.length)}{" "}
        ({afterName}).
      </p>
    );
  }
  const [a, b] = comparable(before, after);
  const lines = shortened(lineDiff(a, b), CONTEXT_LINES);
  return (
    <figure class="diff">
      <figcaption class="diff-caption">
        <span class="diff-removed">− {beforeName}</span>
        <span class="diff-added">+ {afterName}</span>
      </figcaption>
      {lines.every((line) => typeof line === "number") && <p class="muted">No difference.</p>}
      <pre class="value diff-lines">
        {lines.map((line, i) =>
          typeof line === "number" ? (
            <span key={i} class="diff-line diff-gap">
              {`⋯ ${line} unchanged line${line === 1 ? "" : "s"}`}
            </span>
          ) : (
            <span key={i} class={`diff-line diff-${line.kind}`}>
              {`${SIGNS[line.kind]} ${line.text}`}
            </span>
          ),
        )}
      </pre>
    </figure>
  );
}

/** JSON on both sides is compared member by member. */
function comparable(before: Uint8Array, after: Uint8Array): readonly [string, string] {
  const texts = [before, after].map(textOf);
  if (texts[0] === undefined || texts[1] === undefined) {
    return [formatted(before, "hex") ?? "", formatted(after, "hex") ?? ""];
  }
  const areJson = guessFormat(before) === "json" && guessFormat(after) === "json";
  return areJson ? [indentedJson(texts[0]), indentedJson(texts[1])] : [texts[0], texts[1]];
}
