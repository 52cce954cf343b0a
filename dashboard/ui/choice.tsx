/** A choice of one out of few: forms of a value, parts of a page. */
export interface ChoiceProps<T extends string> {
  readonly label: string;
  readonly options: readonly (readonly [value: T, text: string, disabled?: boolean])[];
  readonly value: T;
  readonly onChange: (value: T) => void;
}

export function Choice<T extends string>({ label, options, value, onChange }: ChoiceProps<T>) {
  return (
    <fieldset class="choice" aria-label={label}>
      {options.map(([each, text, disabled = false]) => (
        <button
          key={each}
          type="button"
          class="choice-option"
          aria-pressed={each === value}
          disabled={disabled}
          onClick={() => onChange(each)}
        >
          {text}
        </button>
      ))}
    </fieldset>
  );
}
