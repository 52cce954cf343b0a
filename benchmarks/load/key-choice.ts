/** Which keys a load asks for, by number. */

export interface KeyChoice {
  /** Keys are chosen from [firstKey, firstKey + keyCount). */
  readonly firstKey: number;
  readonly keyCount: number;
  readonly keyOrder: "same" | "sequential" | "random";
  /** How far the keys of two requests are apart where they are sequential. Default 1. */
  readonly stride?: number;
}

/** The key of request number `n`; the same sequence in every run. */
export function keyChooser({
  firstKey,
  keyCount,
  keyOrder,
  stride = 1,
}: KeyChoice): (n: number) => number {
  switch (keyOrder) {
    case "same":
      return () => firstKey;
    case "sequential":
      return (n) => firstKey + ((n * stride) % keyCount);
    case "random": {
      /** xorshift32 state; any odd constant does. */
      let x = 0x2545f491;
      return () => {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        return firstKey + ((x >>> 0) % keyCount);
      };
    }
  }
}
