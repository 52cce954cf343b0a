/** A value to read: coloured where that helps, in part where it is long. */
import { useState } from "preact/hooks";
import { Button } from "../ui/button.tsx";
import { Notice } from "../ui/notice.tsx";
import { highlight } from "./highlight.ts";
import { type Format, formatted, hexCharacters, sizeText } from "./value-format.ts";

/** Bytes that are shown at first: text that the browser lays out at once. */
const MAX_SHOWN_BYTES = 128 * 1024;

export function ValueText(props: { readonly value: Uint8Array; readonly format: Format }) {
  const { value, format } = props;
  const [isWhole, setWhole] = useState(false);
  const isCut = !isWhole && value.length > MAX_SHOWN_BYTES;
  const text = formatted(isCut ? cut(value) : value, format);
  if (text === undefined) {
    return <Notice>These bytes are no text in UTF-8. Look at them as hex.</Notice>;
  }
  return (
    <>
      {value.length === 0 && <p class="muted">The value is empty.</p>}
      <div class="value-box">
        <pre class="value">
          <Pieces format={format} text={text} />
        </pre>
        {format === "hex" && (
          <pre class="value value-characters" aria-hidden="true">
            {hexCharacters(isCut ? cut(value) : value)}
          </pre>
        )}
      </div>
      {isCut && (
        <div class="row">
          <span class="muted">
            The first {sizeText(MAX_SHOWN_BYTES)} of {sizeText(value.length)}.
          </span>
          <Button onClick={() => setWhole(true)}>Show all</Button>
        </div>
      )}
    </>
  );
}

/** The beginning of a value, not in the middle of a character. */
function cut(value: Uint8Array): Uint8Array {
  let end = MAX_SHOWN_BYTES;
  while (end > 0 && ((value[end] ?? 0) & 0xc0) === 0x80) end--;
  return value.subarray(0, end);
}

export function Pieces({ format, text }: { readonly format: Format; readonly text: string }) {
  return (
    <>
      {highlight(format, text).map((piece, i) => (
        <span key={i} class={`syntax-${piece.kind}`}>
          {piece.text}
        </span>
      ))}
    </>
  );
}
