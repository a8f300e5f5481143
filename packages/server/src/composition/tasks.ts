import type { ChannelRules } from '../core/access/channel-rules.ts';
import type { Feed } from '../core/feed.ts';
import type { Log } from '../core/ports.ts';
import { TICK_MS } from '../core/primitives/timing-wheel.ts';
import { RetentionTask } from '../operate/retention-task.ts';
import { ScrubTask } from '../operate/scrub-task.ts';
import type { HubBase } from './base.ts';
import type { HubProcesses } from './processes/hub-processes.ts';
import type { IdentityPart } from './identity.ts';

/** The work that a hub does by itself, at intervals. */
export interface Tasks {
  /** Starts the removal of old events and the scrub of the log. The timers run already. */
  start(): void;
}

/**
 * The interval of identity maintenance: a secret may outlive the end of its overlap by this time.
 */
const IDENTITY_UPKEEP_MS = 1000;

export function openTasks(
  { config: { storage }, world: { clock, speed }, logger, metrics, wheel, shutdown, reloader }: HubBase,
  { log, feed, rules }: { readonly log: Log; readonly feed: Feed; readonly rules: ChannelRules },
  identity: Pick<IdentityPart, 'store' | 'tokens'>,
  processes: HubProcesses | undefined,
): Tasks {
  const retention = new RetentionTask({
    ...storage,
    log,
    cache: processes?.trimmedCache(feed) ?? feed,
    rules,
    clock,
    onError: (error) => logger.error({ error: String(error) }, 'retention: removal of expired events failed, retrying'),
  });
  shutdown.add('tasks', () => retention.close());
  reloader.add(() => () => retention.onRulesChanged());
  const scrub = new ScrubTask({
    ...storage,
    log,
    clock,
    onError: (error) => logger.error({ error: String(error) }, 'log: scrub failed, retrying'),
  });
  shutdown.add('tasks', () => scrub.close());
  let tickMs = performance.now();
  const timers = [
    setInterval(() => {
      wheel.advance();
      // The timer that exists anyway measures the delay of the event loop.
      const nowMs = performance.now();
      metrics.observe('eventLoopDelay', Math.max(0, nowMs - tickMs - TICK_MS / speed));
      tickMs = nowMs;
    }, TICK_MS / speed),
    setInterval(() => {
      identity.store.maintain();
      identity.tokens.maintain();
    }, IDENTITY_UPKEEP_MS / speed),
  ];
  for (const timer of timers) timer.unref();
  shutdown.add('tasks', () => timers.forEach((timer) => clearInterval(timer)));
  return {
    start() {
      // The owner alone removes events.
      if (processes?.place.role !== 'follower') retention.start();
      scrub.start();
    },
  };
}
