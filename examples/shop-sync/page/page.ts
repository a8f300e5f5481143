/** The page asks the shop and its partners once a second: it is not what this example is about. */
interface Shop {
  readonly products: readonly { name: string; cents: number }[];
  readonly orders: readonly { id: number; product: string; cents: number; state: string }[];
  readonly partners: readonly { partner: string; state: string; lagEvents: number }[];
}

interface Partner {
  readonly fault: string;
  readonly requests: number;
  readonly items: readonly string[];
}

const PARTNERS = {
  warehouse: 'Webhook, verified and signed',
  accounting: 'REST Hooks, refunds only',
  'price-watch': 'WebSub, without a key',
};
const FAULTS = { none: 'works', down: 'is down', slow: 'is slow' };
const COLOURS: Readonly<Record<string, string>> = { active: 'good', suspended: 'bad' };
const INTERVAL_MS = 1000;
const SHOWN = 5;

const cards = Object.entries(PARTNERS).map(([name, how]) => createCard(name, how));
await refresh();
setInterval(() => void refresh().catch(() => undefined), INTERVAL_MS);

async function refresh(): Promise<void> {
  const shop = await get<Shop>('/api/shop');
  const { products, orders, partners } = shop;
  const sell = products.map(({ name, cents }) =>
    button(`Sell ${name}, ${price(cents)}`, '', `/api/shop/orders/${name}`),
  );
  const first = products[0];
  const dearer =
    first &&
    button(`Make ${first.name} dearer`, 'quiet', `/api/shop/prices/${first.name}`, { cents: first.cents + 10 });
  fill('#products', [...sell, ...(dearer === undefined ? [] : [dearer])]);
  fill('#orders', orders.map(orderRow));
  await Promise.all(cards.map((show) => show(partners)));
}

function orderRow({ id, product, cents, state }: Shop['orders'][number]): HTMLElement {
  const cells = [`Order ${id}`, product, price(cents)].map((text) => element('td', '', text));
  const last =
    state === 'placed' ? button('Refund', 'quiet', `/api/shop/refunds/${id}`) : element('span', 'badge', state);
  return element('tr', '', ...cells, element('td', 'number', last));
}

/** Returns a function that shows the partner as it is now. */
function createCard(name: string, how: string): (subscriptions: Shop['partners']) => Promise<void> {
  const select = document.createElement('select');
  for (const [fault, title] of Object.entries(FAULTS)) select.add(new Option(title, fault));
  select.ariaLabel = name;
  select.addEventListener('change', () => void post(`/api/${name}/fault`, { fault: select.value }));
  const [state, lag, list] = [element('span', 'badge'), element('p', 'muted'), element('ol', '')];
  const head = element('div', 'row', element('h2', '', name), state, select);
  if (name === 'warehouse') head.append(portalButton(name));
  const card = element('section', 'card', head, element('p', 'muted', how), lag, list);
  card.ariaLabel = name;
  document.querySelector('#partners')?.append(card);
  return async (subscriptions) => {
    const { items, requests, fault } = await get<Partner>(`/api/${name}`);
    const subscription = subscriptions.find(({ partner }) => partner === name);
    state.textContent = subscription?.state ?? 'unknown';
    state.className = `badge ${COLOURS[subscription?.state ?? ''] ?? 'warn'}`;
    lag.textContent = `items: ${items.length}, requests: ${requests}, behind: ${subscription?.lagEvents ?? 0}`;
    list.replaceChildren(...items.slice(0, SHOWN).map((text) => element('li', '', text)));
    if (document.activeElement !== select) select.value = fault;
  };
}

/** The partner's own page at the hub: its webhooks and their attempts. */
function portalButton(partner: string): HTMLElement {
  const made = element('button', 'quiet', 'Portal');
  made.addEventListener('click', async () => {
    const { url } = (await (await post(`/api/shop/portal/${partner}`, {})).json()) as { url: string };
    location.assign(url);
  });
  return made;
}

function button(text: string, className: string, path: string, body: object = {}): HTMLElement {
  const made = element('button', className, text);
  made.addEventListener(
    'click',
    () =>
      void post(path, body)
        .then(refresh)
        .catch(() => undefined),
  );
  return made;
}

/** What looks the same stays: a click is lost when its button is replaced meanwhile. */
function fill(selector: string, rows: readonly HTMLElement[]): void {
  const list = document.querySelector(selector) as HTMLElement;
  const kept = new Set(rows.map(({ outerHTML }) => outerHTML));
  for (const row of [...list.children]) if (!kept.has(row.outerHTML)) row.remove();
  rows.forEach((row, index) => {
    const old = list.children[index] ?? null;
    if (old?.outerHTML !== row.outerHTML) list.insertBefore(row, old);
  });
}

function element(tag: string, className: string, ...content: (Node | string)[]): HTMLElement {
  const made = Object.assign(document.createElement(tag), { className });
  made.append(...content);
  return made;
}

function price(cents: number): string {
  return (cents / 100).toLocaleString('en', { style: 'currency', currency: 'EUR' });
}

async function get<Answer>(path: string): Promise<Answer> {
  return (await (await fetch(path)).json()) as Answer;
}

function post(path: string, body: object): Promise<Response> {
  return fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
}
