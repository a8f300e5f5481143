import { SYMBOLS, type Price, type Score } from '../services/market.ts';
import { drawChart, sparkline } from './chart.ts';
import { openPrices } from './prices.ts';

/** The page: 2,000 rows, of which only those on the screen exist. */
const ROW_PX = 24;
const ROWS = 40;
const POINTS = 60;
const SCROLL_MS = 100;

interface Row {
  readonly element: HTMLTableRowElement;
  readonly price: HTMLTableCellElement;
  readonly change: HTMLTableCellElement;
  readonly chart: HTMLTableCellElement;
}

const latest = new Map<string, Price>();
const history = new Map<string, number[]>();
const changed = new Set<string>();
const rows = new Map<string, Row>();
const scroller = byId('scroller');
const body = byId('rows');
let selected = SYMBOLS[0] as string;
let updates = 0;
let newestMs = 0;

const prices = openPrices(location.origin, (symbol, price) => {
  latest.set(symbol, price);
  history.set(symbol, [...(history.get(symbol) ?? []), price.price].slice(-POINTS));
  changed.add(symbol);
  newestMs = price.atMs;
  updates++;
});
prices.connection.on('state', ({ state, transport }) => {
  byId('connection').textContent = state === 'open' ? `${transport}` : 'offline';
  byId('connection').className = `badge ${state === 'open' ? 'good' : 'warn'}`;
});
prices.connection.subscribe<string>('news', ({ data, time }) => addNews(data, time), { history: 8 });
prices.connection.subscribe<Score>('score.*', ({ channel, data }) => showScore(channel, data), { after: 'earliest' });

byId('space').style.height = `${SYMBOLS.length * ROW_PX}px`;
let timer: ReturnType<typeof setTimeout> | undefined;
scroller.addEventListener('scroll', () => (timer ??= setTimeout(showRows, SCROLL_MS)));
setInterval(() => {
  byId('rate').textContent = String(updates);
  byId('age').textContent = newestMs === 0 ? '–' : `${Math.max(0, Date.now() - newestMs)} ms`;
  updates = 0;
}, 1000);
showRows();
requestAnimationFrame(draw);

function showRows(): void {
  timer = undefined;
  const first = Math.max(0, Math.min(Math.floor(scroller.scrollTop / ROW_PX), SYMBOLS.length - ROWS));
  const symbols = SYMBOLS.slice(first, first + ROWS);
  rows.clear();
  body.replaceChildren(...symbols.map((symbol) => addRow(symbol).element));
  byId('table').style.transform = `translateY(${first * ROW_PX}px)`;
  prices.follow([...new Set([selected, ...symbols])]);
}

function addRow(symbol: string): Row {
  const element = document.createElement('tr');
  element.insertCell().textContent = symbol;
  element.onclick = () => {
    selected = symbol;
    showRows();
  };
  const row = { element, price: element.insertCell(), change: element.insertCell(), chart: element.insertCell() };
  rows.set(symbol, row);
  changed.add(symbol);
  return row;
}

/** At most once per frame, however many prices have come. */
function draw(): void {
  for (const symbol of changed) {
    const price = latest.get(symbol);
    const row = rows.get(symbol);
    if (price === undefined || row === undefined) continue;
    row.price.textContent = price.price.toFixed(2);
    row.change.textContent = `${price.change > 0 ? '+' : ''}${price.change.toFixed(2)} %`;
    row.change.className = price.change < 0 ? 'down' : 'up';
    row.chart.innerHTML = sparkline(history.get(symbol) ?? []);
  }
  if (changed.has(selected)) drawChart(byId('chart') as HTMLCanvasElement, history.get(selected) ?? []);
  byId('symbol').textContent = `${selected} ${latest.get(selected)?.price.toFixed(2) ?? ''}`;
  changed.clear();
  requestAnimationFrame(draw);
}

function addNews(text: string, time: string): void {
  const item = document.createElement('li');
  item.append(
    text,
    Object.assign(document.createElement('small'), {
      className: 'muted',
      textContent: new Date(time).toLocaleTimeString(),
    }),
  );
  byId('news').prepend(item);
  while (byId('news').children.length > 8) byId('news').lastChild?.remove();
}

function showScore(channel: string, { teams, goals, minute }: Score): void {
  const id = channel.replace('.', '-');
  const item =
    document.querySelector(`#${id}`) ?? byId('scores').appendChild(Object.assign(document.createElement('li'), { id }));
  item.textContent = `${teams[0]} ${goals[0]} : ${goals[1]} ${teams[1]} · ${minute}′`;
}

function byId(id: string): HTMLElement {
  return document.querySelector(`#${id}`) as HTMLElement;
}
