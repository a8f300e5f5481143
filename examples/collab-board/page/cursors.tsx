import { useEffect, useState, type ReactElement } from 'react';
import { useChannel, usePresence, type Channel } from '@polycast/react';

interface Position {
  readonly x: number;
  readonly y: number;
}

const SENDS_PER_SECOND = 20;

/**
 * Publishes where my pointer is, at most 20 times a second.
 * A cursor that got lost is not sent again.
 */
function useMyCursor(surface: HTMLElement | null, publish: Channel['publish']): void {
  useEffect(() => {
    if (surface === null) return;
    let next: Position | undefined;
    const move = ({ clientX, clientY }: globalThis.PointerEvent): void => {
      const box = surface.getBoundingClientRect();
      next = { x: (clientX - box.left) / box.width, y: (clientY - box.top) / box.height };
    };
    const timer = setInterval(() => {
      if (next !== undefined) publish(next, { inOrder: false }).catch(() => undefined);
      next = undefined;
    }, 1000 / SENDS_PER_SECOND);
    surface.addEventListener('pointermove', move);
    return () => {
      clearInterval(timer);
      surface.removeEventListener('pointermove', move);
    };
  }, [surface, publish]);
}

interface CursorsProps {
  readonly channel: string;
  readonly me: string;
  readonly surface: HTMLElement | null;
}

/** The pointers of the others who are present. */
export function Cursors({ channel, me, surface }: CursorsProps): ReactElement[] {
  const [positions, setPositions] = useState<Readonly<Record<string, Position>>>({});
  const { publish } = useChannel<Position>(channel, {
    eventsMax: 0,
    onEvent: ({ user = '', data }) => setPositions((known) => ({ ...known, [user]: data })),
  });
  useMyCursor(surface, publish);
  const { members } = usePresence(channel);
  return members
    .filter(({ user }) => user !== me && positions[user] !== undefined)
    .map(({ user, info }) => (
      <div
        key={user}
        className="cursor"
        data-cursor={user}
        style={{
          background: (info as { color: string }).color,
          left: `${(positions[user]?.x ?? 0) * 100}%`,
          top: `${(positions[user]?.y ?? 0) * 100}%`,
        }}
      >
        {user}
      </div>
    ));
}
