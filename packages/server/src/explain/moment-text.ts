const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** A moment in a sentence, in UTC: `14:02:11`, or on another day `21 Nov 14:02:11`. */
export function momentText(timeMs: number, nowMs: number): string {
  const iso = new Date(timeMs).toISOString();
  const clock = iso.slice(11, 19);
  if (iso.slice(0, 10) === new Date(nowMs).toISOString().slice(0, 10)) return clock;
  return `${Number(iso.slice(8, 10))} ${MONTHS[Number(iso.slice(5, 7)) - 1]} ${clock}`;
}

/** `1 session`, `2 sessions`. */
export function countText(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
