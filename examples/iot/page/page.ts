import { connect } from '@polycast/client';

const DEVICES = 500;
const byId = (id: string): HTMLElement => document.getElementById(id) as HTMLElement;
const temperatures = new Map<string, number>();
/** The commands that no device has done yet: when each was sent, and what to do when it is done. */
const pending = new Map<number, { readonly sentMs: number; readonly done: (afterMs: number) => void }>();
let lastCommand = Date.now();

const squares = Array.from({ length: DEVICES }, (_, index) => {
  const square = document.createElement('button');
  square.title = `d${index + 1}`;
  square.dataset['device'] = `d${index + 1}`;
  return square;
});
byId('devices').append(...squares);

const hub = connect(location.origin, { getToken: async () => (await fetch('/api/operator')).text() });

hub.subscribe<{ readings: { celsius: number }[] }>(
  'devices.*.readings',
  ({ channel, data }) => {
    const device = channel.split('.')[1] ?? '';
    temperatures.set(device, data.readings.at(-1)?.celsius ?? 0);
    scheduleShow();
  },
  { history: 1000 },
);

hub.subscribe<{ number: number }>('devices.*.acks', ({ channel, data }) => {
  const square = squares[Number(channel.split('.')[1]?.slice(1)) - 1];
  square?.animate([{ transform: 'scale(1.8)' }, { transform: 'scale(1)' }], { duration: 600 });
  const command = pending.get(data.number);
  pending.delete(data.number);
  command?.done(Date.now() - command.sentMs);
});

/** Thousands of readings a second would be thousands of layouts: one for each frame is enough. */
let isScheduled = false;
function scheduleShow(): void {
  if (isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(() => {
    isScheduled = false;
    for (const [device, celsius] of temperatures)
      squares[Number(device.slice(1)) - 1]?.style.setProperty('--warm', String((celsius - 15) / 20));
    const sum = [...temperatures.values()].reduce((total, each) => total + each, 0);
    byId('online').textContent = String(temperatures.size);
    byId('average').textContent = (sum / temperatures.size).toFixed(1);
  });
}

byId('devices').addEventListener('click', ({ target }) => {
  const device = target instanceof HTMLElement ? target.dataset['device'] : undefined;
  if (device !== undefined) void blink(device);
});
byId('all').addEventListener('click', () => squares.forEach((_, index) => void blink(`d${index + 1}`)));

async function blink(device: string): Promise<void> {
  const number = ++lastCommand;
  const row = document.createElement('tr');
  const cells = [device, 'blink', '…'].map((text) =>
    Object.assign(document.createElement('td'), { textContent: text }),
  );
  cells[2]?.classList.add('number');
  row.append(...cells);
  byId('commands').prepend(row);
  while (byId('commands').children.length > 12) byId('commands').lastElementChild?.remove();
  pending.set(number, { sentMs: Date.now(), done: (afterMs) => cells[2]?.replaceChildren(`${afterMs} ms`) });
  await fetch(`/api/commands/${device}`, { method: 'POST', body: JSON.stringify({ number, do: 'blink' }) });
}
