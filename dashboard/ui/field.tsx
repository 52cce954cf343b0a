/** A labelled place to write. */
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

export interface FieldProps {
  readonly label: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
  readonly type?: "text" | "password";
  readonly placeholder?: string;
  readonly autocomplete?: string;
  /** Below the field. */
  readonly hint?: ComponentChildren;
  readonly mono?: boolean;
  readonly hideLabel?: boolean;
  readonly disabled?: boolean;
}

export function Field(props: FieldProps) {
  const id = useId();
  const { label, value, onInput, type = "text", hint, mono = false, hideLabel = false } = props;
  return (
    <div class="field">
      <label class={hideLabel ? "visually-hidden" : "field-label"} for={id}>
        {label}
      </label>
      <input
        id={id}
        class={mono ? "input mono" : "input"}
        // The types of Preact want to know which of the two.
        type={type as "text"}
        value={value}
        placeholder={props.placeholder ?? ""}
        autocomplete={props.autocomplete ?? "off"}
        disabled={props.disabled ?? false}
        spellcheck={false}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      {hint !== undefined && <p class="hint">{hint}</p>}
    </div>
  );
}
