import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { secondsText } from '../model/format.ts';
import { FAULT_DURATIONS_MS, type Session } from '../session.ts';

const INTERVALS_MS = [200, 500, 1000, 2000, 3000, 5000, 10_000];
const WAITS_SECONDS = [1, 2, 5, 10, 20, 40, 60];
const PACES_MS = [400, 700, 1000, 1500, 2500, 4000, 8000];

export function Controls({ session }: { session: Session }): VNode {
  const { settings } = session;
  const wide = useWide();
  return (
    <details class="controls" open={wide}>
      <summary>Settings and faults</summary>
      <div class="controls-body">
        <div class="sliders">
          <Slider
            label="Short polling interval"
            values={INTERVALS_MS}
            value={settings.intervalMs}
            text={secondsText}
            onChange={(intervalMs) => session.change({ intervalMs })}
          />
          <Slider
            label="Longest wait of a long poll"
            values={WAITS_SECONDS}
            value={settings.waitSeconds}
            text={(seconds) => `${seconds} s`}
            onChange={(waitSeconds) => session.change({ waitSeconds })}
          />
          <Slider
            label="Time between two states"
            values={PACES_MS}
            value={settings.stepMs}
            text={secondsText}
            onChange={(stepMs) => session.change({ stepMs })}
          />
        </div>
        <FaultButtons session={session} />
      </div>
    </details>
  );
}

/**
 * On a phone the controls are collapsed, so that the lanes are near the button. Elsewhere they are
 * always open.
 */
function useWide(): boolean {
  const [query] = useState(() => matchMedia('(min-width: 721px)'));
  const [wide, setWide] = useState(query.matches);
  useEffect(() => {
    const onChange = (): void => setWide(query.matches);
    query.addEventListener('change', onChange);
    return () => query.removeEventListener('change', onChange);
  }, [query]);
  return wide;
}

interface SliderProps {
  readonly label: string;
  readonly values: readonly number[];
  readonly value: number;
  readonly text: (value: number) => string;
  readonly onChange: (value: number) => void;
}

function Slider({ label, values, value, text, onChange }: SliderProps): VNode {
  return (
    <label class="slider">
      <span>
        {label} <b>{text(value)}</b>
      </span>
      <input
        type="range"
        min={0}
        max={values.length - 1}
        step={1}
        value={values.indexOf(value)}
        aria-valuetext={text(value)}
        onInput={(event) => onChange(values[event.currentTarget.valueAsNumber] ?? value)}
      />
    </label>
  );
}

/** They end by themselves. */
const NETWORK_FAULTS = [
  { kind: 'cut', text: 'Cut the network' },
  { kind: 'stall', text: 'Stall it' },
  { kind: 'slow', text: 'Slow it down' },
] as const;

/** In a cluster. The process starts again some seconds later. */
const KILLS = [
  { kind: 'kill-hub', text: 'Kill a hub' },
  { kind: 'kill-broker', text: 'Kill a broker' },
] as const;

function FaultButtons({ session }: { session: Session }): VNode {
  const dialog = useRef<HTMLDialogElement>(null);
  const { actions } = session.config;
  return (
    <div class="troubles" role="group" aria-label="Faults on all connections">
      <p>Faults on all connections</p>
      <div class="trouble-buttons">
        {NETWORK_FAULTS.map(({ kind, text }) => (
          <button
            key={kind}
            type="button"
            aria-pressed={session.hasFault('all', kind)}
            onClick={() => void session.injectFault({ kind, lane: 'all' })}
          >
            {text} for {secondsText(FAULT_DURATIONS_MS[kind])}
          </button>
        ))}
        {actions.includes('restart') && (
          <button
            type="button"
            aria-pressed={session.isAway('restart')}
            onClick={() => void session.injectFault({ kind: 'restart' })}
          >
            Restart the hub
          </button>
        )}
        {KILLS.filter(({ kind }) => actions.includes(kind)).map(({ kind, text }) => (
          <button
            key={kind}
            type="button"
            aria-pressed={session.isAway(kind)}
            onClick={() => void session.injectFault({ kind })}
          >
            {text}
          </button>
        ))}
        {actions.includes('wipe') && (
          <button type="button" onClick={() => dialog.current?.showModal()}>
            Wipe the log…
          </button>
        )}
      </div>
      <dialog ref={dialog} aria-labelledby="wipe-title">
        <form method="dialog">
          <h2 id="wipe-title">Wipe the log?</h2>
          <p>
            This deletes all events of this hub, not only those of the Lab. The clients then reconnect with cursors of a
            deleted log, and each receives a gap.
          </p>
          <div class="dialog-buttons">
            <button type="submit" class="quiet">
              Keep it
            </button>
            <button type="submit" class="danger" onClick={() => void session.injectFault({ kind: 'wipe' })}>
              Wipe it
            </button>
          </div>
        </form>
      </dialog>
    </div>
  );
}
