/** Figures for people. */

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

export function bytesText(bytes: number | undefined): string {
  if (bytes === undefined) return "–";
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

/** A duration given in seconds. */
export function secondsText(seconds: number | undefined): string {
  if (seconds === undefined) return "–";
  if (seconds >= 1) return `${seconds.toFixed(1)} s`;
  const ms = seconds * 1000;
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

export function rateText(perSecond: number | undefined): string {
  if (perSecond === undefined) return "–";
  return perSecond > 0 && perSecond < 10 ? perSecond.toFixed(1) : countText(Math.round(perSecond));
}

export function countText(value: number | undefined): string {
  return value === undefined ? "–" : value.toLocaleString("en");
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${countText(count)} ${count === 1 ? one : many}`;
}
