/** What a verification has found: problems with their place, and what was looked at. */

/** "damage" breaks a rule that etcd always keeps; a "warning" is unusual, or heals at start. */
export type Severity = "damage" | "warning";

export interface Problem {
  readonly severity: Severity;
  readonly file: string;
  /** Offset, page, bucket and key; empty when the file as a whole is meant. */
  readonly where: string;
  readonly what: string;
}

/** One thing that was looked at, in a sentence. */
export interface Fact {
  readonly file: string;
  readonly text: string;
}

/** One broken page can make thousands of records look wrong; the first ones tell enough. */
const MAX_PROBLEMS_PER_FILE = 100;

export class VerifyReport {
  readonly problems: Problem[] = [];
  readonly facts: Fact[] = [];
  /** By file: problems that were counted but not kept. */
  readonly #counts = new Map<string, number>();

  damage(file: string, where: string, what: string): void {
    this.#add({ severity: "damage", file, where, what });
  }

  warn(file: string, where: string, what: string): void {
    this.#add({ severity: "warning", file, where, what });
  }

  fact(file: string, text: string): void {
    this.facts.push({ file, text });
  }

  get isSound(): boolean {
    return this.problems.every(({ severity }) => severity !== "damage");
  }

  #add(problem: Problem): void {
    const count = (this.#counts.get(problem.file) ?? 0) + 1;
    this.#counts.set(problem.file, count);
    if (count <= MAX_PROBLEMS_PER_FILE) this.problems.push(problem);
    if (count === MAX_PROBLEMS_PER_FILE + 1) {
      const what = `more than ${MAX_PROBLEMS_PER_FILE} problems; the rest is not listed`;
      this.problems.push({ ...problem, where: "", what });
    }
  }
}
