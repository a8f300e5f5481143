/** The oldest first. */
const waiting: (() => void)[] = [];
let isScheduled = false;

/**
 * Runs a piece of work in a task of its own, after all earlier pieces. The browser can answer a
 * person, and paint, between two of them. Example: each of twelve charts is drawn in its turn.
 * @returns cancels the piece while it waits
 */
export function inTurn(work: () => void): () => void {
  waiting.push(work);
  schedule();
  return () => {
    const index = waiting.indexOf(work);
    if (index !== -1) waiting.splice(index, 1);
  };
}

function schedule(): void {
  if (isScheduled || waiting.length === 0) return;
  isScheduled = true;
  setTimeout(runNext);
}

function runNext(): void {
  isScheduled = false;
  const work = waiting.shift();
  schedule();
  work?.();
}
