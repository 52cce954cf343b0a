/** Light or dark: as the system has it, unless the switch says otherwise. */
import { Observable } from "../api/observable.ts";

export type Theme = "system" | "light" | "dark";

const KEY = "etcd-dashboard-theme";
const THEMES: readonly Theme[] = ["system", "light", "dark"];
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

/** What the switch says. */
export const theme = new Observable<Theme>(stored());
/** Which colours are shown. */
export const colours = new Observable(shown());

function stored(): Theme {
  return THEMES.find((each) => each === localStorage.getItem(KEY)) ?? "system";
}

function shown(): "light" | "dark" {
  if (theme.value !== "system") return theme.value;
  return systemIsDark.matches ? "dark" : "light";
}

export function nextTheme(): void {
  const next = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? "system";
  localStorage.setItem(KEY, next);
  theme.set(next);
}

/** Keeps the document's mark, which the style sheets ask for, as the system and the switch stand. */
export function applyTheme(): void {
  const apply = (): void => {
    const next = shown();
    document.documentElement.dataset["theme"] = next;
    colours.set(next);
  };
  theme.subscribe(apply);
  systemIsDark.addEventListener("change", apply);
  apply();
}
