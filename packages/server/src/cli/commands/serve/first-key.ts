import { pasteable } from '../../pasteable.ts';
import type { Terminal } from '../../terminal.ts';

/**
 * Prints the first key: without it a new hub cannot be used. The key has a line of its own, so that
 * a double click selects all of it.
 */
export function showFirstKey(key: string | undefined, { out, style }: Terminal): void {
  if (key === undefined) return;
  out('');
  out(style('bold', 'The first key, with all permissions. It is shown only once. Store it with your other secrets:'));
  out('');
  out(key);
  out('');
  out(
    style(
      'dim',
      pasteable(
        'Use it as POLYCAST_KEY, or as Authorization: Bearer. For keys with fewer permissions: polycast keys create --help',
      ),
    ),
  );
}
