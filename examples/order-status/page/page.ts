import { connect } from '@polycast/client';

/** A lane follows the order by one transport, or by a webhook. */
interface Lane {
  readonly title: string;
  readonly states: string[];
  readonly delays: number[];
  requests: number;
}

const POLL_MS = 2000;
const TITLES = {
  'short-poll': 'Short poll',
  'long-poll': 'Long poll',
  sse: 'Server-Sent Events',
  websocket: 'WebSocket',
};
const lanes = document.querySelector('#lanes') as HTMLElement;
let states: string[] = [];

document.querySelector('#order')?.addEventListener('click', async () => {
  const answer = await fetch('/api/orders', { method: 'POST' });
  const order = (await answer.json()) as { id: string; states: string[] };
  ({ states } = order);
  lanes.replaceChildren();
  for (const transport of Object.keys(TITLES)) follow(order.id, transport as keyof typeof TITLES);
  followCourier(order.id);
});

function follow(id: string, transport: keyof typeof TITLES): void {
  const lane = addLane(TITLES[transport]);
  const counted: typeof fetch = (...request) => (lane.requests++, fetch(...request));
  const connection = connect(location.origin, { transports: [transport], pollIntervalMs: POLL_MS, fetch: counted });
  connection.on('state', ({ state }) => {
    if (transport === 'websocket' && state === 'connecting') lane.requests++;
  });
  const receive = ({ data, time }: { data: { state: string }; time: string }): void => {
    arrive(lane, data.state, Date.now() - Date.parse(time));
    if (data.state === states.at(-1)) connection.close();
  };
  connection.subscribe(`orders.${id}`, receive, { after: 'earliest' });
}

/** The courier's own system says what its webhook has received. */
function followCourier(id: string): void {
  const lane = addLane('Webhook to the courier');
  const timer = setInterval(async () => {
    const answer = await fetch(`/api/arrivals/${id}`).catch(() => undefined);
    const arrivals = answer?.ok ? ((await answer.json()) as { state: string; delayMs: number }[]) : [];
    lane.requests = arrivals.length;
    for (const { state, delayMs } of arrivals.slice(lane.states.length)) arrive(lane, state, delayMs);
    if (lane.states.length === states.length) clearInterval(timer);
  }, POLL_MS / 4);
}

function addLane(title: string): Lane {
  const lane: Lane = { title, states: [], delays: [], requests: 0 };
  lanes.append(Object.assign(document.createElement('section'), { className: 'card', ariaLabel: title }));
  show(lane);
  return lane;
}

function arrive(lane: Lane, state: string, delayMs: number): void {
  lane.states.push(state);
  lane.delays.push(delayMs);
  show(lane);
}

function show({ title, states: seen, delays, requests }: Lane): void {
  const median = delays.toSorted((one, other) => one - other)[delays.length >> 1];
  const steps = element('ol', 'steps');
  steps.append(...states.map((state, index) => element('li', seen[index] === state ? 'done' : '')));
  lanes
    .querySelector(`[aria-label="${title}"]`)
    ?.replaceChildren(
      element('h2', '', title),
      element('p', 'state', seen.at(-1) ?? 'waiting'),
      steps,
      element('p', 'muted', `requests: ${requests}${median === undefined ? '' : `, median delay: ${median} ms`}`),
    );
}

/** The text of an event is text, never HTML. */
function element(tag: string, className: string, textContent = ''): HTMLElement {
  return Object.assign(document.createElement(tag), { className, textContent });
}
