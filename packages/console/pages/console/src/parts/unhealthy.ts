/** Something unhealthy in words: what must be acted on now, or what is to be watched. */
export interface Unhealthy {
  readonly level: 'bad' | 'watch';
  readonly text: string;
  /** What to do about it. */
  readonly act?: string;
  /** Where it is looked after. */
  readonly link?: string;
  readonly linkText?: string;
}

/** The worst first. */
export function worstFirst<Found extends Unhealthy>(found: readonly Found[]): readonly Found[] {
  return found.toSorted((one, other) => Number(one.level === 'watch') - Number(other.level === 'watch'));
}
