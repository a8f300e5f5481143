import { connect, type Connection } from '@polycast/client';

/** A job is one post to one network. */
interface JobState {
  readonly network: string;
  readonly state: 'queued' | 'in progress' | 'done' | 'failed';
  readonly attempt?: number;
  readonly worker?: string;
  readonly reason?: string;
}

interface NetworkStates {
  readonly faults: Readonly<Record<string, string>>;
  readonly posts: readonly { network: string; text: string }[];
}

type Transport = 'sse' | 'short-poll';

const NETWORKS = ['chirper', 'pixagram', 'linkboard'];
const FAULTS = { none: 'works', fails: 'is down (503)', limits: 'limits (429)', hangs: 'posts, and hangs' };
const COLOURS = { queued: '', 'in progress': 'warn', done: 'good', failed: 'bad' };
const POLL_MS = 1000;
const form = document.querySelector<HTMLFormElement>('#share') as HTMLFormElement;
const jobs = document.querySelector('#jobs') as HTMLElement;
let connection: Connection | undefined;
let requests = 0;

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const text = new FormData(form).get('text');
  const answer = await post('/api/posts', { text, networks: NETWORKS });
  const { id } = (await answer.json()) as { id: string };
  history.replaceState(undefined, '', `?post=${id}`);
  follow(id);
});
form.addEventListener('change', () => followAddress());
followAddress();
setInterval(() => void showNetworks().catch(() => undefined), POLL_MS);
void showNetworks();

/** A reloaded page follows the same post: its channel has all states so far. */
function followAddress(): void {
  const id = new URLSearchParams(location.search).get('post');
  if (id !== null) follow(id);
}

function follow(id: string): void {
  const transport = new FormData(form).get('transport') as Transport;
  const states = new Map<string, JobState>();
  requests = 0;
  connection?.close();
  connection = connect(location.origin, { transports: [transport], pollIntervalMs: POLL_MS, fetch: countedFetch });
  connection.subscribe<JobState>(
    `posts.${id}`,
    ({ data }) => {
      states.set(data.network, data);
      show(transport, [...states.values()]);
      const isOver = [...states.values()].every(({ state }) => state === 'done' || state === 'failed');
      if (isOver && states.size === NETWORKS.length) connection?.close();
    },
    { after: 'earliest' },
  );
}

function countedFetch(...request: Parameters<typeof fetch>): Promise<Response> {
  requests++;
  return fetch(...request);
}

function show(transport: Transport, states: readonly JobState[]): void {
  (document.querySelector('#cost') as HTMLElement).textContent = `By ${transport}. Requests so far: ${requests}.`;
  jobs.replaceChildren(
    ...states.map(({ network, state, attempt, worker, reason }) => {
      const by = worker === undefined ? '' : `attempt ${attempt}, ${worker}`;
      return element('li', 'row', [
        element('strong', '', network),
        element('span', `badge ${COLOURS[state]}`, state),
        element('span', 'muted', [by, reason].filter(Boolean).join(': ')),
      ]);
    }),
  );
}

async function showNetworks(): Promise<void> {
  const { faults, posts } = (await (await fetch('/api/networks')).json()) as NetworkStates;
  const list = document.querySelector('#networks') as HTMLElement;
  if (list.contains(document.activeElement)) return;
  list.replaceChildren(
    element('h2', '', 'Networks'),
    ...NETWORKS.map((network) => {
      const select = document.createElement('select');
      select.ariaLabel = network;
      for (const [fault, title] of Object.entries(FAULTS))
        select.add(new Option(title, fault, false, faults[network] === fault));
      select.addEventListener('change', async () => {
        await post(`/api/networks/${network}/faults`, { fault: select.value });
        select.blur();
      });
      const count = posts.filter((each) => each.network === network).length;
      return element('p', 'row', [element('strong', '', network), select, element('span', 'muted', `${count} posts`)]);
    }),
  );
}

function post(path: string, body: object): Promise<Response> {
  return fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
}

function element(tag: string, className: string, content: string | readonly Node[]): HTMLElement {
  const made = Object.assign(document.createElement(tag), { className });
  made.append(...(typeof content === 'string' ? [content] : content));
  return made;
}
