import { connect, type PolycastEvent } from '@polycast/client';

interface Inbox {
  readonly sentMs?: number;
  readonly issue?: { readonly number: number; readonly title: string } | number;
  readonly data?: { readonly object: { readonly amount_paid: number } };
  readonly name?: string;
  readonly total_price?: string;
}

const byId = (id: string): HTMLElement => document.getElementById(id) as HTMLElement;
const openedMs = Date.now();
let missed = 0;

// The phone keeps its place: what came while it was off is there when it opens again.
const hub = connect(location.origin, { remember: 'phone', storage: localStorage });
hub.on('state', ({ state, transport }) => {
  byId('transport').textContent = state === 'open' ? (transport ?? '') : state;
  byId('transport').className = `badge ${state === 'open' ? 'good' : 'warn'}`;
});
hub.subscribe<Inbox>(['inbox.>', 'builds'], notify);

function notify({ channel, data, time }: PolycastEvent<Inbox>): void {
  const item = document.createElement('li');
  item.className = channel.replace('inbox.', '');
  const [title, text] = describe(channel, data);
  item.append(element('b', title), element('span', text));
  const atMs = Date.parse(time);
  if (atMs < openedMs) {
    byId('missed').textContent = `${++missed} while the phone was off`;
    byId('missed').hidden = false;
  } else if (data.sentMs !== undefined)
    item.append(element('small', `${Math.max(0, Date.now() - data.sentMs)} ms after it was sent`));
  byId('notifications').prepend(item);
  while (byId('notifications').children.length > 30) byId('notifications').lastElementChild?.remove();
}

function describe(channel: string, data: Inbox): readonly [string, string] {
  if (channel === 'builds') return ['Build', `The build for issue ${JSON.stringify(data.issue)} is green`];
  if (typeof data.issue === 'object') return ['GitHub', `#${data.issue.number}: ${data.issue.title}`];
  if (data.data !== undefined)
    return ['Stripe', `An invoice of € ${(data.data.object.amount_paid / 100).toFixed(2)} is paid`];
  return ['Shopify', `Order ${data.name ?? ''} for € ${data.total_price ?? ''}`];
}

byId('senders').addEventListener('click', async ({ target }) => {
  if (!(target instanceof HTMLButtonElement)) return;
  const row = document.createElement('tr');
  const answer = element('td', '…');
  row.append(element('td', target.textContent ?? ''), answer);
  byId('answers').prepend(row);
  const response = await fetch(`/api/send/${target.dataset['path']}`, { method: 'POST' });
  const answers = (await response.json()) as string[];
  const failures = answers.length - 1;
  answer.textContent = `${answers.at(-1)}${failures === 0 ? '' : `, after ${failures} without an answer`}`;
});

async function showInvoices(): Promise<void> {
  const invoices = (await (await fetch('/api/partner')).json()) as { id: string; amount_paid: number }[];
  byId('invoices').replaceChildren(
    ...invoices.slice(-8).map(({ id, amount_paid }) => element('li', `${id}: € ${(amount_paid / 100).toFixed(2)}`)),
  );
}

function element(name: string, text: string): HTMLElement {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

const showTime = (): void => void (byId('clock').textContent = new Date().toTimeString().slice(0, 5));
showTime();
setInterval(showTime, 10_000);
// It is another company's page: it asks that server once a second.
void showInvoices();
setInterval(() => void showInvoices().catch(() => undefined), 1000);
