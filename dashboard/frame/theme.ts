/** Light or dark: as the system has it, unless the switch says otherwise. */
import { Observable } from "../api/observable.ts";

export type Theme = "system" | "light" | "dark";

const KEY = "etcd-dashboard-theme";
const THEMES: readonly Theme[] = ["system", "light", "dark"];

export const theme = new Observable<Theme>(stored());

function stored(): Theme {
  return THEMES.find((each) => each === localStorage.getItem(KEY)) ?? "system";
}

export function nextTheme(): void {
  const next = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? "system";
  localStorage.setItem(KEY, next);
  theme.set(next);
}

/** Keeps the document's mark, which the style sheets ask for, as the switch stands. */
export function applyTheme(): void {
  const apply = (): void => {
    document.documentElement.dataset["theme"] = theme.value;
  };
  theme.subscribe(apply);
  apply();
}
