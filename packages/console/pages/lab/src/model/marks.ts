/**
 * Marks of a lane that would overlap are grouped: the group is at the place of its first mark, and
 * shows all numbers.
 */
export interface MarkGroup<Item> {
  readonly items: readonly Item[];
  /**
   * The place of its middle, in pixels, moved so far from the strip's ends that it is fully
   * visible.
   */
  readonly centerPx: number;
}

/** The width of a mark with one number and the space beside it, in pixels. */
const MARK_WIDTH = 26;
/** The width of each additional number with the dot before it. */
const NUMBER_WIDTH = 13;

/**
 * Groups marks, which are ordered by place. A group that grows may overlap the one before it, so
 * that is checked again.
 * @param placeOf in pixels, from 0 to `stripWidth`
 */
export function groupMarks<Item>(
  items: readonly Item[],
  stripWidth: number,
  placeOf: (item: Item) => number,
): MarkGroup<Item>[] {
  // The strip has no width yet.
  if (stripWidth === 0) return [];
  const groups: MarkGroup<Item>[] = [];
  const groupOf = (members: readonly Item[]): MarkGroup<Item> => ({
    items: members,
    centerPx: within(placeOf(members[0] as Item), widthOf(members) / 2, stripWidth),
  });
  for (const item of items) {
    let group = groupOf([item]);
    for (let last = groups.at(-1); last !== undefined && touch(last, group); last = groups.at(-1)) {
      groups.pop();
      group = groupOf([...last.items, ...group.items]);
    }
    groups.push(group);
  }
  return groups;
}

export function widthOf({ length }: readonly unknown[]): number {
  return MARK_WIDTH + NUMBER_WIDTH * (length - 1);
}

function touch(one: MarkGroup<unknown>, other: MarkGroup<unknown>): boolean {
  return other.centerPx - one.centerPx < (widthOf(one.items) + widthOf(other.items)) / 2;
}

function within(place: number, margin: number, stripWidth: number): number {
  return Math.max(margin, Math.min(place, stripWidth - margin));
}
