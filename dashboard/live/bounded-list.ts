/** The newest of many: what comes when the list is full pushes the oldest out. */

export interface BoundedList<T> {
  /** The newest first. */
  readonly items: readonly T[];
  /** Pushed out. */
  readonly dropped: number;
}

export function emptyList<T>(): BoundedList<T> {
  return { items: [], dropped: 0 };
}

/** `more` in order of arrival. */
export function withMore<T>(
  list: BoundedList<T>,
  more: readonly T[],
  limit: number,
): BoundedList<T> {
  const all = [...[...more].reverse(), ...list.items];
  const dropped = Math.max(0, all.length - limit);
  return { items: all.slice(0, limit), dropped: list.dropped + dropped };
}
