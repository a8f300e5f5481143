import { bake } from './kitchen.ts';
import { LANES } from './lanes/index.ts';
import type { Lane } from './lanes/index.ts';
import { createOrder, isServed, see } from './model/order.ts';
import type { Order } from './model/order.ts';
import type { Fault, LabConfig, LaneName, WireRecord } from './model/records.ts';
import { STEPS, stepNumber } from './model/steps.ts';
import { tallyOf } from './model/tally.ts';
import { verdict } from './model/verdict.ts';
import { WireModel } from './model/wire-model.ts';
import { openWireFeed, pageNowMs } from './wire-feed.ts';
import type { FeedState } from './wire-feed.ts';

export interface Settings {
  readonly intervalMs: number;
  readonly waitSeconds: number;
  readonly stepMs: number;
}

export type Trouble = { readonly kind: Fault; readonly lane: LaneName | 'all' } | { readonly kind: 'restart' | 'wipe' };

const FAULT_DURATIONS_MS: Readonly<Partial<Record<Fault, number>>> = { cut: 3000, stall: 4000, slow: 6000 };

/** Nobody waits longer than this for lanes that have not seen the last event. */
const SERVE_MS_MAX = 30_000;

/** When trouble is asked for and no pizza is being made, it comes after this step of the next one. */
const TROUBLE_AFTER_STEP = 3;

/** All that the page knows, and all that it can do. Says so to its listeners when something has changed. */
export class Session {
  readonly wire: WireModel = new WireModel();
  settings: Settings = { intervalMs: 1000, waitSeconds: 20, stepMs: 1500 };
  order: Order | undefined;
  running = false;
  feed: FeedState = 'connecting';
  config: LabConfig = { lanes: [], actions: [], secret: '', people: [] };
  /** For those who listen rather than look. */
  announcement = '';
  readonly #listeners = new Set<() => void>();
  #abort = new AbortController();
  #planned: Trouble | undefined;

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

  /** The listener is called at most once a frame. Returns how to stop. */
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
    // What a lane cannot even begin is not waited for: a hub with access control lets nobody subscribe here.
    const begun = LANES.map(async (lane) => {
      await Promise.resolve(lane.transport(this.#watchOf(lane, order, signal))).catch(() =>
        order.failed.add(lane.name),
      );
    });
    const asking = LANES.filter(({ name }) => name !== 'webhook');
    await this.#until(() => asking.every(({ name }) => this.wire.lanes[name].exchanges.length > 0), 1500);
    await Promise.race([begun.at(-1), pause(1500, signal)]);
    if (signal.aborted) return;
    await bake(order, {
      stepMs: () => this.settings.stepMs,
      pause: (milliseconds) => pause(milliseconds, signal),
      onChange: ({ step, acceptedAtMs }) => this.#published(step, acceptedAtMs !== undefined),
    });
    await this.#until(
      () => LANES.every(({ name }) => order.failed.has(name) || isServed(order.views[name])),
      SERVE_MS_MAX,
    );
    if (this.order === order && this.running) this.#finish(order);
  }

  cancel(): void {
    if (this.order !== undefined && this.running) this.#finish(this.order);
  }

  async trouble(trouble: Trouble): Promise<void> {
    if (!this.running) {
      this.#planned = trouble;
      this.#announce('An order is placed first; the trouble comes while it is being made.');
      await this.placeOrder();
      return;
    }
    if (!('lane' in trouble)) return act(`hub/${trouble.kind}`);
    const durationMs = this.isBroken(trouble.lane, trouble.kind) ? 0 : durationOf(trouble.lane, trouble.kind);
    await act(`lanes/${trouble.lane}/${trouble.kind}?for=${durationMs}`);
  }

  /** @param lane `all`: whether it was done to every wire; the webhook's ends by itself, or by a button of its own */
  isBroken(lane: LaneName | 'all', fault: Fault): boolean {
    if (lane === 'all')
      return LANES.filter(({ name }) => name !== 'webhook').every(({ name }) => this.isBroken(name, fault));
    const now = pageNowMs();
    return this.running && this.wire.lanes[lane].faults.some((span) => span.fault === fault && span.toMs > now);
  }

  get isHubAway(): boolean {
    return this.running && this.wire.hubSpans.some(({ toMs }) => toMs === undefined);
  }

  #watchOf(lane: Lane, order: Order, signal: AbortSignal): Parameters<Lane['transport']>[0] {
    const port = this.config.lanes.find(({ name }) => name === lane.name)?.port;
    const view = order.views[lane.name];
    const path = lane.name === 'webhook' ? `pizzas?order=${order.channel}` : `v1/events?channel=${order.channel}`;
    return {
      url: `${lane.scheme}://127.0.0.1:${port}/${path}`,
      channel: order.channel,
      secret: this.config.secret,
      onEvent: ({ data }) => {
        see(order, lane.name, stepNumber(data.step), pageNowMs());
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

  /** The receiver of the webhook was handed something. */
  #received({ channel, type, data, atMs }: WireRecord & { kind: 'received' }): void {
    const { order } = this;
    if (order === undefined || !this.running) return;
    const { reason, step } = (data ?? {}) as { readonly reason?: string; readonly step?: string };
    // A gap is of all channels of a subscription; this page has but one.
    if (type === 'polycast.gap') order.views.webhook.gaps.push({ reason: reason ?? '', atMs });
    else if (channel === order.channel) see(order, 'webhook', stepNumber(step ?? ''), atMs);
  }

  #published(step: number, accepted: boolean): void {
    if (accepted) this.#announce(`Kitchen: ${STEPS[step - 1]?.says ?? ''}`);
    const planned = this.#planned;
    if (accepted && step === TROUBLE_AFTER_STEP && planned !== undefined) {
      this.#planned = undefined;
      setTimeout(() => void this.trouble(planned), this.settings.stepMs / 3);
    }
    this.#changed();
  }

  #finish(order: Order): void {
    // The next order begins with whole wires.
    for (const { name, troubles } of LANES) {
      for (const { fault } of troubles) if (this.isBroken(name, fault)) void act(`lanes/${name}/${fault}?for=0`);
    }
    // What was done to all wires is done to the webhook's as well.
    for (const fault of ['stall', 'slow'] as const)
      if (this.isBroken('webhook', fault)) void act(`lanes/webhook/${fault}?for=0`);
    order.endedAtMs = pageNowMs();
    this.running = false;
    this.#planned = undefined;
    this.wire.freeze();
    this.#abort.abort();
    this.#announce(
      LANES.map(({ name, title }) => verdict(title, tallyOf(order, name, this.wire.lanes[name]))).join(' '),
    );
  }

  #announce(text: string): void {
    this.announcement = text;
    this.#changed();
  }

  /** Resolves when the condition holds, after a change, or when the time is up. */
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
    // Not requestAnimationFrame, which rests while the page is hidden: orders go on.
    this.#frame = window.setTimeout(() => {
      this.#frame = 0;
      for (const listener of this.#listeners) listener();
    }, 16);
  }
}

function durationOf(lane: LaneName | 'all', fault: Fault): number {
  const trouble = LANES.find(({ name }) => name === lane)?.troubles.find((each) => each.fault === fault);
  return trouble?.durationMs ?? FAULT_DURATIONS_MS[fault] ?? 0;
}

/** Never resolves once the order is done: whoever waits is not needed any more. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return;
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  });
}

async function act(path: string): Promise<void> {
  await fetch(`/lab/api/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  }).catch(() => {});
}
