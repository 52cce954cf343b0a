/** How often each operation of the v2 store was done, or failed, since the store began. */

export interface Statistics {
  getsSuccess: number;
  getsFail: number;
  setsSuccess: number;
  setsFail: number;
  deleteSuccess: number;
  deleteFail: number;
  updateSuccess: number;
  updateFail: number;
  createSuccess: number;
  createFail: number;
  compareAndSwapSuccess: number;
  compareAndSwapFail: number;
  compareAndDeleteSuccess: number;
  compareAndDeleteFail: number;
  expireCount: number;
  watchers: number;
}

/** In the order of the document. */
export function newStatistics(): Statistics {
  return {
    getsSuccess: 0,
    getsFail: 0,
    setsSuccess: 0,
    setsFail: 0,
    deleteSuccess: 0,
    deleteFail: 0,
    updateSuccess: 0,
    updateFail: 0,
    createSuccess: 0,
    createFail: 0,
    compareAndSwapSuccess: 0,
    compareAndSwapFail: 0,
    compareAndDeleteSuccess: 0,
    compareAndDeleteFail: 0,
    expireCount: 0,
    watchers: 0,
  };
}

/** Those of a document; what is missing there is 0. */
export function statisticsOf(raw: unknown): Statistics {
  const statistics = newStatistics();
  if (typeof raw !== "object" || raw === null) return statistics;
  const found = raw as Readonly<Record<string, unknown>>;
  for (const name of Object.keys(statistics) as (keyof Statistics)[]) {
    const value = found[name];
    if (typeof value === "number") statistics[name] = value;
  }
  return statistics;
}
