import { useEffect, useState } from 'preact/hooks';
import { pageNowMs } from '../wire-feed.ts';

/** 30 frames a second, and 4 for users who prefer reduced motion. */
const PICTURE_MS = 33;
const CALM_PICTURE_MS = 250;

/** The page's time, updated for each frame while `active`. */
export function useNow(active: boolean): number {
  const [now, setNow] = useState(pageNowMs());
  useEffect(() => {
    if (!active) return undefined;
    const pictureMs = matchMedia('(prefers-reduced-motion: reduce)').matches ? CALM_PICTURE_MS : PICTURE_MS;
    let last = 0;
    let frame = requestAnimationFrame(function draw(time) {
      if (time - last >= pictureMs - 2) {
        last = time;
        setNow(pageNowMs());
      }
      frame = requestAnimationFrame(draw);
    });
    return () => cancelAnimationFrame(frame);
  }, [active]);
  return now;
}
