/** What the exchange publishes and the page shows. */
export interface Price {
  readonly price: number;
  /** Since the start of the day, in percent. */
  readonly change: number;
  /** When the exchange made it. */
  readonly atMs: number;
}

export interface Score {
  readonly teams: readonly [string, string];
  readonly goals: readonly [number, number];
  readonly minute: number;
}

const CONSONANTS = [...'BCDFGKLMNPRSTVWZ'];
const VOWELS = [...'AEIOU'];

/** 2,000 symbols of four letters: BABA, BABE, … */
export const SYMBOLS: readonly string[] = CONSONANTS.flatMap((first) =>
  VOWELS.flatMap((second) => CONSONANTS.flatMap((third) => VOWELS.map((fourth) => first + second + third + fourth))),
).slice(0, 2000);
