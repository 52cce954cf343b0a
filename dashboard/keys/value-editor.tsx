/** A value to write: the text with its colours beneath, in the form that was chosen. */
import { useId, useRef } from "preact/hooks";
import { Button } from "../ui/button.tsx";
import { Choice } from "../ui/choice.tsx";
import {
  bytesOf,
  type Format,
  FORMATS,
  formatted,
  indentedJson,
  problemOf,
} from "./value-format.ts";
import { Pieces } from "./value-text.tsx";

/** What stands in the editor; what it means is said by `bytesOfDraft`. */
export interface Draft {
  readonly format: Format;
  readonly text: string;
}

export function draftOf(value: Uint8Array, format: Format): Draft {
  const text = formatted(value, format);
  return text === undefined
    ? { format: "hex", text: formatted(value, "hex") ?? "" }
    : { format, text };
}

/** Undefined while the text is no hex. What only pretends to be JSON can be written all the same. */
export function bytesOfDraft({ format, text }: Draft): Uint8Array | undefined {
  const isUnreadable = format === "hex" && problemOf(format, text) !== undefined;
  return isUnreadable ? undefined : bytesOf(format, text);
}

/** Longer texts are not coloured while they are written: every key stroke would cut them anew. */
const MAX_COLOURED_CHARACTERS = 20_000;

export interface ValueEditorProps {
  readonly draft: Draft;
  readonly onChange: (draft: Draft) => void;
}

export const FORMAT_NAMES: Readonly<Record<Format, string>> = {
  text: "Text",
  json: "JSON",
  yaml: "YAML",
  hex: "Hex",
};

export function ValueEditor({ draft, onChange }: ValueEditorProps) {
  const id = useId();
  const beneath = useRef<HTMLPreElement>(null);
  const { format, text } = draft;
  const problem = text === "" ? undefined : problemOf(format, text);
  const bytes = bytesOfDraft(draft);
  const choose = (to: Format): void => {
    if (bytes !== undefined)
      onChange(to === "hex" ? draftOf(bytes, to) : { ...draftOf(bytes, to) });
  };
  const isColoured = text.length <= MAX_COLOURED_CHARACTERS;
  return (
    <div class="stack">
      <div class="row">
        <label class="field-label" for={id}>
          Value
        </label>
        <Choice
          label="Edit as"
          options={FORMATS.map((each) => [each, FORMAT_NAMES[each], bytes === undefined] as const)}
          value={format}
          onChange={choose}
        />
        {format === "json" && (
          <Button
            disabled={text === "" || problem !== undefined}
            onClick={() => onChange({ format, text: indentedJson(text) })}
          >
            Indent
          </Button>
        )}
      </div>
      <div class={isColoured ? "editor editor-coloured" : "editor"}>
        {isColoured && (
          <pre ref={beneath} class="editor-beneath" aria-hidden="true">
            <Pieces format={format} text={`${text}\n`} />
          </pre>
        )}
        <textarea
          id={id}
          class="editor-text"
          value={text}
          rows={12}
          spellcheck={false}
          autocomplete="off"
          aria-invalid={problem !== undefined}
          onInput={(event) => onChange({ format, text: event.currentTarget.value })}
          onScroll={(event) => {
            if (beneath.current === null) return;
            beneath.current.scrollTop = event.currentTarget.scrollTop;
            beneath.current.scrollLeft = event.currentTarget.scrollLeft;
          }}
        />
      </div>
      {problem !== undefined && <p class="problem">{problem}</p>}
    </div>
  );
}
