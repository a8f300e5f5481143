/**
 * The candidate that a user most likely intended: the same last name elsewhere in the tree, or the
 * one with the fewest edits. `undefined` when none is near (more than a third of its letters would
 * have to change).
 */
export function closestMatch(input: string, candidates: readonly string[]): string | undefined {
  const leaf = leafOf(input);
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of candidates) {
    const distance = Math.min(editDistance(input, candidate), editDistance(leaf, leafOf(candidate)) + 0.5);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return bestDistance <= Math.max(1.5, leaf.length / 3) ? best : undefined;
}

/** All near candidates, those with the fewest edits first. */
export function closestMatches(input: string, candidates: readonly string[], countMax: number): readonly string[] {
  const found: string[] = [];
  let remaining = candidates;
  for (
    let next = closestMatch(input, remaining);
    next !== undefined && found.length < countMax;
    next = closestMatch(input, remaining)
  ) {
    found.push(next);
    remaining = remaining.filter((each) => each !== next);
  }
  return found;
}

function leafOf(path: string): string {
  return path.slice(path.lastIndexOf('.') + 1);
}

/**
 * The number of letters to add, drop, change or swap with their neighbour. Case and the separators
 * `_` and `-` do not count.
 */
function editDistance(one: string, other: string): number {
  const from = normalize(one);
  const to = normalize(other);
  const rows = [Array.from({ length: to.length + 1 }, (_, index) => index)];
  const at = (row: number, column: number): number => rows[row]?.[column] ?? Infinity;
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= to.length; j++) {
      const change = at(i - 1, j - 1) + (from[i - 1] === to[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      row.push(Math.min(change, at(i - 1, j) + 1, at(i, j - 1) + 1, isSwap ? at(i - 2, j - 2) + 1 : Infinity));
    }
  }
  return at(from.length, to.length);
}

function normalize(text: string): string {
  return text.toLowerCase().replaceAll(/[_-]/g, '');
}
