import { publishOrder } from './order-publisher.ts';
import { LANES } from './lanes/index.ts';
import type { Lane } from './lanes/index.ts';
import { createOrder, isComplete, recordReceived } from './model/order.ts';
import type { Order } from './model/order.ts';
import type { Fault, HubAction, LabConfig, LaneName, WireRecord } from './model/records.ts';
import { STEPS, stepNumber } from './model/steps.ts';
import { laneStatsOf } from './model/lane-stats.ts';
import { summaryOf } from './model/summary.ts';
import { WireModel } from './model/wire-model.ts';
import { openWireFeed, pageNowMs } from './wire-feed.ts';
import type { FeedState } from './wire-feed.ts';

export interface Settings {
  readonly intervalMs: number;
  readonly waitSeconds: number;
  readonly stepMs: number;
}

export type FaultCommand = { readonly kind: Fault; readonly lane: LaneName | 'all' } | { readonly kind: HubAction };

/** The time after which a fault of the network ends by itself. */
export const FAULT_DURATIONS_MS = { cut: 3000, stall: 4000, slow: 6000 } as const;
const FAULT_DURATIONS_BY_NAME: Readonly<Partial<Record<Fault, number>>> = FAULT_DURATIONS_MS;

/** The maximum wait for lanes that have not received the last event. */
const COMPLETION_MS_MAX = 30_000;

/** A fault that is requested between orders begins after this step of the next order. */
const FAULT_AFTER_STEP = 3;

/** The state and the actions of the page. It notifies its listeners of changes. */
export class Session {
  readonly wire: WireModel = new WireModel();
  settings: Settings = { intervalMs: 1000, waitSeconds: 20, stepMs: 1500 };
  order: Order | undefined;
  running = false;
  feed: FeedState = 'connecting';
  config: LabConfig = { lanes: [], actions: [], secret: '', people: [] };
  /** Announcements for screen readers. */
  announcement = '';
  readonly #listeners = new Set<() => void>();
  #abort = new AbortController();
  #pendingFault: FaultCommand | undefined;

  async open(): Promise<void> {
    this.config = await openWireFeed({
      onRecord: (record) => {
        this.wire.apply(record);
        if (record.kind === 'received') this.#received(record);
        this.#changed();
      },
      onState: (state) => {
        this.feed = state;
        this.#changed();
      },
    });
    this.#changed();
  }

  /** Calls the listener at most once per frame. Returns a function that stops this. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  change(settings: Partial<Settings>): void {
    this.settings = { ...this.settings, ...settings };
    this.#changed();
  }

  async placeOrder(): Promise<void> {
    if (this.running) return;
    const id = crypto.randomUUID().replaceAll('-', '').slice(0, 16);
    const order = createOrder(id.slice(0, 4).toUpperCase(), `lab.orders.${id}`, pageNowMs());
    this.#abort = new AbortController();
    this.order = order;
    this.running = true;
    this.wire.watch(order.channel);
    const { signal } = this.#abort;
    // The page does not wait for a lane that could not start. Example: a hub with access control
    // refuses the subscription.
    const begun = LANES.map(async (lane) => {
      await Promise.resolve(lane.transport(this.#laneContextOf(lane, order, signal))).catch(() =>
        order.failed.add(lane.name),
      );
    });
    const asking = LANES.filter(({ name }) => name !== 'webhook');
    await this.#until(() => asking.every(({ name }) => this.wire.lanes[name].exchanges.length > 0), 1500);
    await Promise.race([begun.at(-1), pause(1500, signal)]);
    if (signal.aborted) return;
    await publishOrder(order, {
      stepMs: () => this.settings.stepMs,
      pause: (milliseconds) => pause(milliseconds, signal),
      onChange: ({ step, acceptedAtMs }) => this.#published(step, acceptedAtMs !== undefined),
    });
    await this.#until(
      () => LANES.every(({ name }) => order.failed.has(name) || isComplete(order.results[name])),
      COMPLETION_MS_MAX,
    );
    if (this.order === order && this.running) this.#finish(order);
  }

  cancel(): void {
    if (this.order !== undefined && this.running) this.#finish(this.order);
  }

  async injectFault(trouble: FaultCommand): Promise<void> {
    if (!this.running) {
      this.#pendingFault = trouble;
      this.#announce('The Lab places an order first, and applies the fault during that order.');
      await this.placeOrder();
      return;
    }
    if (!('lane' in trouble)) return postLabAction(`hub/${trouble.kind}`);
    const durationMs = this.hasFault(trouble.lane, trouble.kind) ? 0 : durationOf(trouble.lane, trouble.kind);
    await postLabAction(`lanes/${trouble.lane}/${trouble.kind}?for=${durationMs}`);
  }

  /**
   * @param lane `all`: whether the fault is on every wire. The webhook's ends by itself, or with
   * its own button.
   */
  hasFault(lane: LaneName | 'all', fault: Fault): boolean {
    if (lane === 'all')
      return LANES.filter(({ name }) => name !== 'webhook').every(({ name }) => this.hasFault(name, fault));
    const now = pageNowMs();
    return this.running && this.wire.lanes[lane].faults.some((span) => span.fault === fault && span.toMs > now);
  }

  isAway(away: HubAction): boolean {
    return this.running && this.wire.hubSpans.some(({ action, toMs }) => action === away && toMs === undefined);
  }

  #laneContextOf(lane: Lane, order: Order, signal: AbortSignal): Parameters<Lane['transport']>[0] {
    const port = this.config.lanes.find(({ name }) => name === lane.name)?.port;
    const view = order.results[lane.name];
    const path = lane.name === 'webhook' ? `pizzas?order=${order.channel}` : `v1/events?channel=${order.channel}`;
    return {
      url: `${lane.scheme}://127.0.0.1:${port}/${path}`,
      channel: order.channel,
      secret: this.config.secret,
      onEvent: ({ data }) => {
        recordReceived(order, lane.name, stepNumber(data.step), pageNowMs());
        this.#changed();
      },
      onGap: ({ reason }) => {
        view.gaps.push({ reason, atMs: pageNowMs() });
        this.#changed();
      },
      intervalMs: () => this.settings.intervalMs,
      waitSeconds: () => this.settings.waitSeconds,
      pause: (milliseconds) => pause(milliseconds, signal),
      signal,
    };
  }

  /** The webhook's receiver was sent an event. */
  #received({ channel, type, data, atMs }: WireRecord & { kind: 'received' }): void {
    const { order } = this;
    if (order === undefined || !this.running) return;
    const { reason, step } = (data ?? {}) as { readonly reason?: string; readonly step?: string };
    // A gap concerns all channels of a subscription. This page has one channel.
    if (type === 'polycast.gap') order.results.webhook.gaps.push({ reason: reason ?? '', atMs });
    else if (channel === order.channel) recordReceived(order, 'webhook', stepNumber(step ?? ''), atMs);
  }

  #published(step: number, accepted: boolean): void {
    if (accepted) this.#announce(`Kitchen: ${STEPS[step - 1]?.sentence ?? ''}`);
    const planned = this.#pendingFault;
    if (accepted && step === FAULT_AFTER_STEP && planned !== undefined) {
      this.#pendingFault = undefined;
      setTimeout(() => void this.injectFault(planned), this.settings.stepMs / 3);
    }
    this.#changed();
  }

  #finish(order: Order): void {
    // The next order begins without faults.
    for (const { name, faults } of LANES) {
      for (const { fault } of faults)
        if (this.hasFault(name, fault)) void postLabAction(`lanes/${name}/${fault}?for=0`);
    }
    // A fault on all wires is applied to the webhook's as well.
    for (const fault of ['stall', 'slow'] as const)
      if (this.hasFault('webhook', fault)) void postLabAction(`lanes/webhook/${fault}?for=0`);
    order.endedAtMs = pageNowMs();
    this.running = false;
    this.#pendingFault = undefined;
    this.wire.freeze();
    this.#abort.abort();
    this.#announce(
      LANES.map(({ name, title }) => summaryOf(title, laneStatsOf(order, name, this.wire.lanes[name]))).join(' '),
    );
  }

  #announce(text: string): void {
    this.announcement = text;
    this.#changed();
  }

  /** Resolves when the condition is true, after a change, or when the time is up. */
  #until(condition: () => boolean, timeMsMax: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        stop();
        clearTimeout(timer);
        resolve();
      };
      const stop = this.listen(() => condition() && done());
      const timer = setTimeout(done, timeMsMax);
      this.#changed();
    });
  }

  #frame = 0;

  #changed(): void {
    if (this.#frame !== 0) return;
    // Not requestAnimationFrame, which stops while the page is hidden: orders continue.
    this.#frame = window.setTimeout(() => {
      this.#frame = 0;
      for (const listener of this.#listeners) listener();
    }, 16);
  }
}

function durationOf(lane: LaneName | 'all', fault: Fault): number {
  const trouble = LANES.find(({ name }) => name === lane)?.faults.find((each) => each.fault === fault);
  return trouble?.durationMs ?? FAULT_DURATIONS_BY_NAME[fault] ?? 0;
}

/** Never resolves once the order is done, because nothing waits for it then. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return;
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  });
}

async function postLabAction(path: string): Promise<void> {
  await fetch(`/lab/api/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  }).catch(() => {});
}
