import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { CONDITION_TIMEOUT_MS } from '../../../scripts/testing/timeouts.ts';
import {
  costTable,
  holdKitchen,
  keepFaults,
  orderAtStep,
  openLab,
  slide,
  startBrowser,
  startDevHub,
} from './lab-page.ts';
import type { DevHub, LabPage } from './lab-page.ts';

const PACE = 'Time between two states';
const INTERVAL = 'Short polling interval';
/** The last value of its slider. */
const LONGEST_INTERVAL_MS = 10_000;
const ALL_OF_IT = ['7 of 7', '7 of 7', '7 of 7', '7 of 7', '7 of 7'];

let hub: DevHub;
let browser: Browser;

beforeAll(async () => {
  [hub, browser] = await Promise.all([startDevHub(), startBrowser()]);
});

afterAll(async () => {
  await browser.close();
  await hub.stop();
});

test('an order can be placed by keyboard alone, and all five lanes deliver', async () => {
  const { page, errors } = await lab({ reducedMotion: 'no-preference' });
  // The order ends with its last lane. The short poll waits until the last request of the long poll
  // is on the wire.
  let polls = 0;
  await page.route(isPoll, async (route) => {
    if (route.request().resourceType() === 'fetch' && ++polls > 1) await page.waitForFunction(isWaitingAgain);
    await route.continue();
  });
  await tabTo(page, 'Order a pizza');
  await page.keyboard.press('Enter');
  const lines = await costTable(page);
  expect(lines.map(({ title }) => title)).toEqual([
    'Short polling',
    'Long polling',
    'Server-Sent Events',
    'WebSocket',
    'Webhook',
  ]);
  expect(lines.map(({ events }) => events)).toEqual(ALL_OF_IT);
  // One request for each stream; for the long poll one per event and a waiting one; for the webhook
  // one per event.
  expect(lines.slice(1).map(({ requests }) => requests)).toEqual([8, 1, 1, 7]);
  expect(lines.slice(1).map(({ wasted }) => wasted)).toEqual([0, 0, 0, 0]);
  expect(await page.locator('.unseen[aria-live]').textContent()).toContain('WebSocket received');
  expect(errors).toEqual([]);
});

test('with a shorter poll interval more requests return nothing', async () => {
  const { page } = await lab();
  await slide(page, PACE, 'Home');
  await slide(page, INTERVAL, 'End');
  await order(page);
  const [seldom] = await costTable(page);
  await slide(page, INTERVAL, 'Home');
  // On a slow machine each poll might find a new event: the kitchen waits for polls that find none.
  const goOn = await holdKitchen(page, 3);
  await orderAgain(page);
  await orderAtStep(page, 3);
  let polls = 0;
  page.on('request', (request) => {
    if (isPoll(new URL(request.url()))) polls++;
  });
  await expect.poll(() => polls).toBeGreaterThan(CONDITION_TIMEOUT_MS / LONGEST_INTERVAL_MS);
  goOn();
  const [often] = await costTable(page);
  expect(often?.requests).toBeGreaterThan(seldom?.requests ?? 0);
  expect(often?.wasted).toBeGreaterThan(seldom?.wasted ?? 0);
});

test('the wire view shows real bytes: heads, event stream, frames', async () => {
  const { page } = await lab();
  await slide(page, PACE, 'Home');
  await order(page);
  await costTable(page);
  const wire = (lane: string): Promise<string | null> =>
    page.getByRole('region', { name: `Wire of ${lane}` }).textContent();
  expect(await wire('Short polling')).toMatch(
    /GET \/v1\/events\?channel=lab\.orders\.\w+&after=earliest HTTP\/1\.1.*HTTP\/1\.1 200 OK.*"cursor":/s,
  );
  expect(await wire('Long polling')).toMatch(/&wait=20 HTTP\/1\.1/);
  expect(await wire('Server-Sent Events')).toMatch(
    /Accept: text\/event-stream.*event: polycast\.ready.*id: \S+\ndata: \{"id":/s,
  );
  expect(await wire('WebSocket')).toMatch(/101 Switching Protocols.*"op":"ready".*text frame.*"step":"delivered"/s);
  await page.getByText('The code').click();
  expect(await page.getByRole('region', { name: 'Code of WebSocket' }).textContent()).toContain('new WebSocket(');
});

test('after the network is cut in the middle of an order, every lane recovers', async () => {
  const { page, errors } = await lab();
  const goOn = await holdKitchen(page, 3);
  await keepFaults(page);
  await order(page);
  await orderAtStep(page, 3);
  const cut = page.getByRole('button', { name: 'Cut the network' });
  await cut.press('Enter');
  await page.waitForSelector('.band-cut', { state: 'attached' });
  goOn();
  // Each lane notices it at a time of its own.
  await expect.poll(() => page.locator('.lane-row .aside.wasted').count()).toBe(5);
  await cut.press('Enter');
  const lines = await costTable(page);
  expect(lines.map(({ events }) => events)).toEqual(ALL_OF_IT);
  expect(lines.every(({ wasted }) => wasted > 0)).toBe(true);
  expect(await page.locator('.band-cut').count()).toBe(5);
  expect(errors).toEqual([]);
});

test('one lane stalls; the others continue, and it catches up when bytes flow again', async () => {
  const { page } = await lab();
  const goOn = await holdKitchen(page, 2);
  await keepFaults(page);
  await slide(page, PACE, 'Home');
  await order(page);
  await orderAtStep(page, 2);
  const lane = page.getByRole('group', { name: 'Faults for WebSocket' });
  await lane.getByRole('button', { name: 'Stall' }).press('Enter');
  await lane.getByRole('button', { name: 'Stall', pressed: true }).waitFor();
  goOn();
  await page.waitForFunction(() => document.querySelectorAll('.lane-row .pizza-7').length === 4);
  expect(await page.locator('.lane-row .pizza-7').count()).toBe(4);
  await lane.getByRole('button', { name: 'Stall' }).press('Enter');
  expect((await costTable(page)).map(({ events }) => events)).toEqual(ALL_OF_IT);
});

test.each([
  { trouble: 'Failing', seen: '.bar.call.failed', wire: /HTTP\/1\.1 500/ },
  { trouble: 'Down', seen: '.lane-row .strip .refusal', wire: /connection reset/ },
])(
  'a receiver that is $trouble is retried with growing pauses, until it has received all events in order',
  async ({ trouble, seen, wire }) => {
    const { page, errors } = await lab();
    const goOn = await holdKitchen(page, 2);
    await keepFaults(page);
    await slide(page, PACE, 'Home');
    await order(page);
    await orderAtStep(page, 2);
    const lane = page.getByRole('group', { name: 'Faults for Webhook' });
    await lane.getByRole('button', { name: trouble }).press('Enter');
    await lane.getByRole('button', { name: trouble, pressed: true }).waitFor();
    goOn();
    await page.waitForFunction((selector) => document.querySelectorAll(selector).length >= 2, seen);
    expect(await page.locator('.wait').count()).toBeGreaterThan(0);
    await lane.getByRole('button', { name: trouble }).press('Enter');
    const lines = await costTable(page);
    expect(lines.map(({ events }) => events)).toEqual(ALL_OF_IT);
    expect(lines.map(({ wasted }) => wasted).at(-1)).toBeGreaterThanOrEqual(2);
    expect(await page.getByRole('region', { name: 'Wire of Webhook' }).textContent()).toMatch(wire);
    // The page has deleted its subscription.
    await expect
      .poll(async () => (await fetch(`${hub.url}/v1/subscriptions`)).json())
      .toMatchObject({ subscriptions: [] });
    expect(errors).toEqual([]);
  },
);

test('a slow receiver delays only itself', async () => {
  const { page } = await lab();
  await keepFaults(page);
  await slide(page, PACE, 'Home');
  const slow = page.getByRole('group', { name: 'Faults for Webhook' }).getByRole('button', { name: 'Slow' });
  await slow.press('Enter');
  await page.waitForSelector('.band-busy');
  await page.waitForFunction(() => document.querySelectorAll('.lane-row .pizza-7').length === 4);
  await slow.press('Enter');
  expect((await costTable(page)).map(({ events }) => events)).toEqual(ALL_OF_IT);
});

test('a cancelled order ends immediately, also during faults, and the next one begins without faults', async () => {
  const { page } = await lab();
  const goOn = await holdKitchen(page, 2);
  await slide(page, PACE, 'Home');
  await order(page);
  await orderAtStep(page, 2);
  await page.getByRole('button', { name: 'Stall it' }).press('Enter');
  await page.waitForSelector('.band-stall');
  await page.getByRole('button', { name: 'Cancel the order' }).press('Enter');
  expect((await costTable(page)).every(({ events }) => !events.startsWith('7'))).toBe(true);
  goOn();
  await orderAgain(page);
  expect((await costTable(page)).map(({ events }) => events)).toEqual(ALL_OF_IT);
});

test('a fault that is requested between orders is applied to the next order', async () => {
  const { page } = await lab();
  await page.getByRole('button', { name: 'Restart the hub' }).press('Enter');
  expect((await costTable(page)).map(({ events }) => events)).toEqual(ALL_OF_IT);
  expect(await page.locator('.band-restart').count()).toBe(5);
});

test('after the log is wiped, readers with unread events receive a gap', async () => {
  const { page, errors } = await lab();
  await slide(page, PACE, 'Home');
  await slide(page, INTERVAL, 'End');
  // The kitchen and the short poll wait at these doors. So the wipe comes after three steps and
  // before the second poll, on a slow machine too.
  const wiped = Promise.withResolvers<void>();
  let steps = 0;
  await page.route('**/v1/events', async (route) => {
    if (route.request().method() === 'POST' && ++steps > 3) await wiped.promise;
    await route.continue();
  });
  // The first poll brings the cursor that the gap is told to. A wipe cannot cut it off: its whole
  // answer is here before the page has it.
  const firstPoll = Promise.withResolvers<void>();
  let polls = 0;
  await page.route(isPoll, async (route) => {
    if (route.request().resourceType() !== 'fetch') return route.continue();
    if (++polls === 1) {
      await route.fulfill({ response: await route.fetch() });
      return firstPoll.resolve();
    }
    await wiped.promise;
    await route.continue();
  });
  await order(page);
  await orderAtStep(page, 3);
  // A wipe would take a step that a stream has not received.
  await page.waitForFunction(() => document.querySelectorAll('[title="Last event received: Topping"]').length >= 4);
  await firstPoll.promise;
  await page.getByRole('button', { name: 'Wipe the log…' }).press('Enter');
  await page.getByRole('button', { name: 'Wipe it' }).press('Enter');
  // A stream receives the gap from the hub with the new log.
  await page.waitForSelector('.gap-mark', { state: 'attached' });
  wiped.resolve();
  const [polled, ...streamed] = await costTable(page);
  expect(polled?.events).toMatch(/^[1-6] of 7 gap$/);
  expect(streamed.every(({ events }) => events.startsWith('7 of 7'))).toBe(true);
  expect(await page.locator('.gap-mark').count()).toBe(5);
  expect(errors).toEqual([]);
});

// Before the test with polls: a poller counts as a connection of its user for a minute.
test('a user on two devices receives the message on both, and is one user with two connections; an anonymous one receives none', async () => {
  const { page, errors } = await lab();
  const [one, other] = seats(page);
  // The key moves on from the radio button that has the focus: that of Bo is the chosen one.
  await other.getByRole('radio', { name: 'Bo', exact: true }).focus();
  await page.keyboard.press('ArrowLeft');
  await expectText(one, 'Ada on 2 connections');
  await page.getByRole('textbox', { name: 'Your backend publishes' }).fill('Wherever you are');
  await page.getByRole('button', { name: 'Private message to Ada' }).press('Enter');
  await expectText(received(one), 'Wherever you are');
  await page.keyboard.press('Tab');
  await other.getByRole('radio', { name: 'Ada' }).focus();
  await page.keyboard.press('ArrowLeft');
  await expectText(other, 'Log in', 'Public news appears here');
  await bothAreConnected(page);
  await page.getByRole('button', { name: 'Private message to Ada' }).press('Enter');
  await page.getByRole('button', { name: 'News to everyone' }).press('Enter');
  await expectText(received(other), 'Wherever you are');
  expect(await received(other).locator('.item-message').count()).toBe(0);
  expect(errors).toEqual([]);
});

test('both users receive news, one a private message, on any transport, and both see who is online', async () => {
  const { page, errors } = await lab();
  const [one, other] = seats(page);
  await bothAreConnected(page);
  await expectText(present(one), 'Ada', 'Bo');
  await expectText(present(other), 'Ada', 'Bo');
  const text = page.getByRole('textbox', { name: 'Your backend publishes' });
  await text.fill('To all of you');
  await page.getByRole('button', { name: 'News to everyone' }).press('Enter');
  await text.fill('To you alone');
  await page.getByRole('button', { name: 'Private message to Bo' }).press('Enter');
  await expectText(received(other), 'To all of you', 'To you alone');
  await expectText(received(one), 'To all of you');
  for (const transport of ['short-poll', 'long-poll', 'websocket']) {
    await page.getByRole('combobox', { name: 'One browser: transport' }).selectOption(transport);
    await bothAreConnected(page);
    await text.fill(`By ${transport}`);
    await page.getByRole('button', { name: 'Private message to Ada' }).press('Enter');
    await expectText(received(one), `By ${transport}`);
  }
  expect(await received(one).textContent()).not.toContain('To you alone');
  expect(await received(other).textContent()).not.toContain('By ');
  expect(errors).toEqual([]);
});

test("a user's message reaches all readers with the name that the hub adds, also during a restart of the hub", async () => {
  const { page } = await lab();
  const [one, other] = seats(page);
  await bothAreConnected(page);
  const say = one.getByRole('textbox', { name: 'One browser: send to everyone' });
  await say.fill('Is it ready yet?');
  await say.press('Enter');
  await expectText(received(other), 'AdaIs it ready yet?');
  await page.evaluate(() =>
    fetch('/lab/api/hub/restart', { method: 'POST', headers: { 'content-type': 'application/json' } }),
  );
  await say.fill('And now?');
  await say.press('Enter');
  await expectText(received(other), 'And now?');
  expect(await received(other).locator('.item').count()).toBe(2);
});

test.each([320, 390, 768, 1024, 1440, 1920])('no element is wider than a window of %i pixels', async (width) => {
  const { page } = await lab({ viewport: { width, height: 800 } });
  await slide(page, PACE, 'Home').catch(() => undefined);
  await order(page);
  await orderAtStep(page, 1);
  // The chart learns its width a moment after it is shown.
  await expect.poll(() => page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
});

test('at any width, elements neither overlap nor leave their card', async () => {
  const { page } = await lab();
  await order(page);
  await orderAtStep(page, 2);
  await page.getByRole('button', { name: 'Slow it down' }).press('Enter');
  await page.waitForSelector('.trouble-buttons button[aria-pressed="true"]');
  await orderAtStep(page, 4);
  await check();
  await costTable(page);
  await check();

  async function check(): Promise<void> {
    for (const width of [390, 1024, 1072, 1120, 1168, 1180, 1181, 1232, 1280, 1328, 1376, 1440]) {
      await page.setViewportSize({ width, height: 900 });
      // The chart is laid out again a moment later.
      await expect.poll(() => page.evaluate(collisions), { message: `at ${width} pixels` }).toEqual([]);
    }
  }
});

/** Texts, marks and buttons of the chart that overlap, or leave the chart. Runs in the page. */
function collisions(): string[] {
  const groups = [
    '.lane-head h2, .lane-head .sentence, .lane-troubles button, .figures',
    '.figure, .aside, .row-head-figures span',
    '.publication-title, .publication .number',
    '.tick',
    '.strip .number.seen',
    '.slider span, .slider input, .trouble-buttons button',
    '.bill th, .bill td',
  ];
  const textBox = (element: Element): DOMRect => {
    const range = document.createRange();
    range.selectNodeContents(element);
    const text = range.getBoundingClientRect();
    return element.matches('button, input, .number') || text.width === 0 ? element.getBoundingClientRect() : text;
  };
  const found: string[] = [];
  // On a phone the table scrolls sideways.
  const frame = innerWidth > 720 ? '.table-frame, ' : '';
  for (const row of document.querySelectorAll(`${frame}.row, .lane-head, .strip, .controls, .bill tr`))
    for (const group of groups) {
      const boxes = [...row.querySelectorAll(group)]
        .map((element) => ({ box: textBox(element), text: element.textContent ?? '' }))
        .filter(({ box }) => box.width > 1 && box.height > 1);
      const within = row.getBoundingClientRect();
      for (const [index, { box, text }] of boxes.entries()) {
        if (box.right > within.right + 1) found.push(`${text} stands out`);
        for (const other of boxes.slice(index + 1)) {
          const across = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
          const down = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
          if (across > 0.5 && down > 2) found.push(`${text} on ${other.text}`);
        }
      }
    }
  return found;
}

test('the colours follow the system until the user chooses, and the choice is stored', async () => {
  const { page } = await lab({ colorScheme: 'dark' });
  const background = (): Promise<string> =>
    page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const dark = await background();
  await page.getByRole('button', { name: /Colours/ }).press('Enter');
  const light = await background();
  expect(light).not.toBe(dark);
  await page.reload();
  await page.waitForSelector('.feed-open');
  expect(await background()).toBe(light);
});

/**
 * With reduced motion the page draws four pictures a second.
 * Thirty take a core: on a busy machine a button would be late for its order.
 */
async function lab(options?: Parameters<typeof openLab>[2]): Promise<LabPage> {
  const opened = await openLab(browser, hub.url, { reducedMotion: 'reduce', ...options });
  onTestFinished(() => opened.page.context().close());
  return opened;
}

/** The two users' panes. */
function seats(page: Page): [Locator, Locator] {
  return [
    page.getByRole('region', { name: 'One browser', exact: true }),
    page.getByRole('region', { name: 'Another', exact: true }),
  ];
}

/** From then on each of them receives every message. */
async function bothAreConnected(page: Page): Promise<void> {
  await page.waitForFunction(() => document.querySelectorAll('.seat-open').length === 2);
}

function received(seat: Locator): Locator {
  return seat.getByRole('log');
}

function present(seat: Locator): Locator {
  return seat.getByRole('list', { name: 'Who is here' });
}

/** Waits until all of these texts are visible. White space between elements is ignored. */
async function expectText(where: Locator, ...texts: readonly string[]): Promise<void> {
  await vi.waitFor(
    async () => {
      const text = (
        (await where.innerText()) + (await where.locator('input').evaluateAll(placeholders)).join()
      ).replace(/\s+/g, ' ');
      for (const wanted of texts) expect(text.replaceAll(' ', '')).toContain(wanted.replaceAll(' ', ''));
    },
    { interval: 50 },
  );
}

function placeholders(inputs: (SVGElement | HTMLElement)[]): string[] {
  return inputs.map((input) => input.getAttribute('placeholder') ?? '');
}

/**
 * A short poll of the order, or its event stream: both name a cursor, and no wait. The two users of
 * the page read other channels.
 */
function isPoll({ pathname, searchParams }: URL): boolean {
  const isOrder = searchParams.get('channel')?.startsWith('lab.orders.') === true;
  return pathname === '/v1/events' && isOrder && searchParams.has('after') && !searchParams.has('wait');
}

/** Whether the long poll has sent its eighth request, after seven events. Runs in the page. */
function isWaitingAgain(): boolean {
  return document.querySelectorAll('[aria-labelledby="lane-long-poll"] .figure')[1]?.textContent === '8';
}

async function order(page: Page): Promise<void> {
  await page.getByRole('button', { name: /^Order/ }).click();
}

/** The verdicts of the order before are gone then, also when this one is over already. */
async function orderAgain(page: Page): Promise<void> {
  const verdicts = await page.waitForSelector('.verdicts');
  await order(page);
  await verdicts.waitForElementState('hidden');
}

/** Presses Tab until the focused element has this name. */
async function tabTo(page: Page, name: string): Promise<void> {
  const focused = (): Promise<string | null | undefined> => page.evaluate(() => document.activeElement?.textContent);
  for (let presses = 0; (await focused()) !== name; presses++) {
    expect(presses).toBeLessThan(10);
    await page.keyboard.press('Tab');
  }
}
