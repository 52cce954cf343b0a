/** Which keys a load asks for, by number. */

export interface KeyChoice {
  /** Keys are chosen from [firstKey, firstKey + keyCount). */
  readonly firstKey: number;
  readonly keyCount: number;
  readonly keyOrder: "same" | "sequential" | "random";
}

/** The key of request number `n`; the same sequence in every run. */
export function keyChooser({ firstKey, keyCount, keyOrder }: KeyChoice): (n: number) => number {
  switch (keyOrder) {
    case "same":
      return () => firstKey;
    case "sequential":
      return (n) => firstKey + (n % keyCount);
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
