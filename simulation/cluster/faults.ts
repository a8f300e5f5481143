import type { Seeded } from '../../conformance/kit/seeded.ts';
import type { SimulatedBroker, SimulatedBrokers } from './simulated-brokers.ts';
import type { Link } from './simulated-connection.ts';
import type { SimulatedSnapshots } from './simulated-disk.ts';
import type { SimulatedHub } from './simulated-hub.ts';

export interface FaultWorld {
  readonly random: Seeded;
  readonly brokers: SimulatedBrokers;
  readonly hubs: readonly SimulatedHub[];
  readonly snapshots: SimulatedSnapshots;
  readonly canRollBack: boolean;
  /** The brokers lose blocks. What was lost is marked. */
  rollBack(): Promise<void>;
  /** A hub loses blocks of its disk. */
  takeBlocks(take: () => void): void;
}

/** A fault begins with the call, and ends with the call of its result. */
type Fault = (world: FaultWorld) => Promise<() => void> | (() => void);

const nothing = (): void => undefined;

/** Faults that lose nothing that was confirmed. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  'kill a hub'({ random, hubs }) {
    const hub = random.pick(hubs);
    hub.kill();
    return () => start(hub);
  },
  'cut the power of a hub'(world) {
    const hub = world.random.pick(world.hubs);
    hub.kill();
    world.takeBlocks(() => hub.disk.cutPower());
    return () => start(hub);
  },
  'remove the disk of a hub'(world) {
    const hub = world.random.pick(world.hubs);
    hub.kill();
    world.takeBlocks(() => hub.disk.wipe());
    return () => start(hub);
  },
  'cut a hub from a broker'({ random, hubs }) {
    const link = random.pick(random.pick(hubs).links);
    link.isCut = true;
    return () => void (link.isCut = false);
  },
  'cut a hub from all brokers'({ random, hubs }) {
    const { links } = random.pick(hubs);
    for (const link of links) link.isCut = true;
    return () => links.forEach((link) => (link.isCut = false));
  },
  'a hub hears nothing'({ random, hubs }) {
    const { links } = random.pick(hubs);
    for (const link of links) link.isDeaf = true;
    return () => links.forEach((link) => (link.isDeaf = false));
  },
  'a slow network'({ random, hubs }) {
    const { links } = random.pick(hubs);
    for (const link of links) link.delayMs = 100 + random.below(500);
    return () => links.forEach((link) => (link.delayMs = 0));
  },
  'a broker ends'({ random, brokers }) {
    const broker = random.pick(brokers.all);
    broker.isUp = false;
    return () => void (broker.isUp = true);
  },
  'a broker is cut off from the others'({ random, brokers }) {
    const broker = random.pick(brokers.all);
    broker.isCutOff = true;
    return () => void (broker.isCutOff = false);
  },
  'a deaf hub returns to a broker that is cut off from the others'({ random, brokers, hubs }) {
    const { links } = random.pick(hubs);
    for (const link of links) link.isDeaf = true;
    const at = random.below(links.length);
    const [link, broker] = [links[at] as Link, brokers.all[at] as SimulatedBroker];
    // The brokers store a block of the hub, which hears no answer and repeats it.
    // This broker knows it then.
    const cut = setTimeout(() => (broker.isCutOff = true), 50 + random.below(500));
    const hear = setTimeout(() => (link.isDeaf = false), 1_000 + random.below(8_000));
    return () => {
      clearTimeout(cut);
      clearTimeout(hear);
      broker.isCutOff = false;
      for (const each of links) each.isDeaf = false;
    };
  },
  'no majority of the brokers'({ random, brokers }) {
    const left = random.pick(brokers.all);
    const cut = brokers.all.filter((broker) => broker !== left);
    for (const broker of cut) broker.isCutOff = true;
    return () => cut.forEach((broker) => (broker.isCutOff = false));
  },
  'full brokers'({ brokers }) {
    brokers.isFull = true;
    return () => void (brokers.isFull = false);
  },
  'a full disk'({ random, hubs }) {
    const { disk } = random.pick(hubs);
    disk.isFull = true;
    return () => void (disk.isFull = false);
  },
  'a wrong clock'({ random, hubs }) {
    random.pick(hubs).skewMs = random.below(10_000) - 5_000;
    return nothing;
  },
  'a late copy of a block'({ brokers }) {
    brokers.appendCopy();
    return nothing;
  },
  'a damaged snapshot'({ snapshots, canRollBack }) {
    // Only one failure of the snapshots at a time leaves one to start from.
    if (!canRollBack) snapshots.damageNewest();
    return nothing;
  },
  'an upgrade'({ random, hubs }) {
    const hub = random.pick(hubs);
    hub.kill();
    hub.isOld = true;
    start(hub);
    return () => {
      hub.kill();
      hub.isOld = false;
      start(hub);
    };
  },
};

/** Brokers that were restored from a backup. */
export const ROLLBACK: Fault = async (world) => {
  await world.rollBack();
  return nothing;
};

function start(hub: SimulatedHub): void {
  if (!hub.isRunning) hub.start();
}
