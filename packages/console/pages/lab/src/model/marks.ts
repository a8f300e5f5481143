/**
 * Marks of a lane that would lie on each other are one: it stands where its first is, and has the
 * numbers of all.
 */
export interface MarkGroup<Item> {
  readonly items: readonly Item[];
  /** Of its middle, in pixels; as far from the strip's ends as it needs to be seen as a whole. */
  readonly centerPx: number;
}

/** Of a mark with one number, and what is free beside it, in pixels. */
const MARK_WIDTH = 26;
/** What each further number adds, with the dot before it. */
const NUMBER_WIDTH = 13;

/**
 * Groups marks, given in the order of their places. A group that grows may come to touch the one
 * before it, so that is looked at again.
 * @param placeOf in pixels, from 0 to `stripWidth`
 */
export function groupMarks<Item>(
  items: readonly Item[],
  stripWidth: number,
  placeOf: (item: Item) => number,
): MarkGroup<Item>[] {
  // Not laid out yet.
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
