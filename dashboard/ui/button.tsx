/** The one button of the pages; `kind` says how much it matters. */
import type { ComponentChildren } from "preact";

export interface ButtonProps {
  readonly children: ComponentChildren;
  readonly onClick?: () => void;
  /** Default "plain". "danger" destroys something. */
  readonly kind?: "plain" | "primary" | "danger" | "quiet";
  readonly type?: "button" | "submit";
  readonly disabled?: boolean;
  /** What a screen reader says, where the label is a sign. */
  readonly label?: string;
  /** State of a switch. */
  readonly pressed?: boolean;
}

export function Button(props: ButtonProps) {
  const { children, onClick, kind = "plain", type = "button", disabled = false } = props;
  return (
    <button
      type={type}
      class={`button button-${kind}`}
      disabled={disabled}
      aria-label={props.label}
      title={props.label}
      aria-pressed={props.pressed}
      onClick={onClick}
    >
      {children}
    </button>
  );
}
