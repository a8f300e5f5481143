/**
 * The candidate that a person most likely meant: the same last name elsewhere in the tree, or the one that is fewest
 * edits away. `undefined` when none is near (more than a third of its letters would have to change).
 */
export function nearest(given: string, candidates: readonly string[]): string | undefined {
  const leaf = leafOf(given);
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of candidates) {
    const distance = Math.min(distanceOf(given, candidate), distanceOf(leaf, leafOf(candidate)) + 0.5);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return bestDistance <= Math.max(1.5, leaf.length / 3) ? best : undefined;
}

function leafOf(path: string): string {
  return path.slice(path.lastIndexOf('.') + 1);
}

/** Levenshtein's distance, without regard to case and to the separators that other styles of naming use. */
function distanceOf(one: string, other: string): number {
  const from = plain(one);
  const to = plain(other);
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const change = (row[j - 1] as number) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[to.length] as number;
}

function plain(text: string): string {
  return text.toLowerCase().replaceAll(/[_-]/g, '');
}
