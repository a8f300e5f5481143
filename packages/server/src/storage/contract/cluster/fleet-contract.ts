import { describe, expect, onTestFinished, test } from 'vitest';
import { FLEET_SILENCE_MS, type Fleet, type HubBeat } from '../../cluster/fleet.ts';

/** Connects a hub with this name to the fleet under test. */
export type JoinFleet = (self: string) => Promise<Fleet>;

/** Tests for the contract of `Fleet`. They run against each implementation. */
export function fleetContract(name: string, prepare: () => Promise<JoinFleet>): void {
  describe(name, () => {
    test('each hub sees the others with what they report, and not itself', async () => {
      const join = await prepare();
      const fleets = await Promise.all(['a', 'b', 'c'].map((self) => joined(join, self)));
      for (const [index, fleet] of fleets.entries())
        fleet.report({ host: 'm', version: '1', sequence: index, hash: index * 7 });
      for (const fleet of fleets) {
        const others = ['a', 'b', 'c'].filter((each) => each !== fleet.self);
        await expect.poll(() => fleet.hubs.map(({ hub }) => hub).toSorted()).toEqual(others);
      }
      expect(fleets[0]?.hubs.find(({ hub }) => hub === 'c')).toEqual({
        hub: 'c',
        host: 'm',
        version: '1',
        sequence: 2,
        hash: 14,
      });
    });

    test('a beat has the newest report, and the listener gets it', async () => {
      const join = await prepare();
      const [one, other] = [await joined(join, 'a'), await joined(join, 'b')];
      const beats: HubBeat[] = [];
      one.onBeat((beat) => beats.push(beat));
      for (let sequence = 1; sequence <= 5; sequence++)
        other.report({ host: 'm', version: '1', sequence, hash: sequence });
      await expect.poll(() => beats.at(-1)).toEqual({ hub: 'b', host: 'm', version: '1', sequence: 5, hash: 5 });
    });

    test('the others receive what a hub broadcasts, once and in order, and it does not', async () => {
      const join = await prepare();
      const fleets = await Promise.all(['a', 'b', 'c'].map((self) => joined(join, self)));
      const received: string[][] = fleets.map((fleet) => {
        const texts: string[] = [];
        fleet.onBroadcast((text) => texts.push(text));
        return texts;
      });
      for (const fleet of fleets) fleet.report({ host: 'm', version: '1', sequence: 0, hash: 0 });
      for (const fleet of fleets) await expect.poll(() => fleet.hubs.length).toBe(2);
      for (let number = 0; number < 20; number++) fleets[0]?.broadcast(`${number} ü`);
      fleets[1]?.broadcast('end');
      const texts = Array.from({ length: 20 }, (_, number) => `${number} ü`);
      await expect.poll(() => received[2]?.toSorted()).toEqual([...texts, 'end'].toSorted());
      await expect.poll(() => received[1]).toEqual(texts);
      expect(received[2]?.filter((text) => text !== 'end')).toEqual(texts);
      await expect.poll(() => received[0]).toEqual(['end']);
    });

    test('a question has the answers of the other hubs, and says how many are missing', async () => {
      const join = await prepare();
      const fleets = await Promise.all(['a', 'b', 'c', 'd'].map((self) => joined(join, self)));
      for (const fleet of fleets) {
        // `d` never answers.
        fleet.onAsked(async (question) => (fleet.self === 'd' ? undefined : `${fleet.self}: ${question}`));
        fleet.report({ host: 'm', version: '1', sequence: 0, hash: 0 });
      }
      for (const fleet of fleets) await expect.poll(() => fleet.hubs.length).toBe(3);
      // A process that stands still for three seconds has heard no answer in time.
      const ask = async (): Promise<unknown> => {
        const asked = await fleets[0]?.ask('who?', 3_000);
        return [asked?.answers.toSorted(), asked?.silentHubs];
      };
      await expect.poll(ask).toEqual([['b: who?', 'c: who?'], 1]);
      await fleets[3]?.close();
      await expect.poll(() => fleets[0]?.hubs.length, { timeout: FLEET_SILENCE_MS + 5_000 }).toBe(2);
      const again = await fleets[0]?.ask('and now?', 10_000);
      expect([again?.answers.toSorted(), again?.silentHubs]).toEqual([['b: and now?', 'c: and now?'], 0]);
    });

    test('an answer may be larger than a message of the brokers', async () => {
      const join = await prepare();
      const [one, other] = [await joined(join, 'a'), await joined(join, 'b')];
      const answer = '\0ü"🙂'.repeat(600_000);
      other.onAsked(async () => answer);
      for (const fleet of [one, other]) fleet.report({ host: 'm', version: '1', sequence: 0, hash: 0 });
      await expect.poll(() => one.hubs.length).toBe(1);
      const { answers, silentHubs } = await one.ask('all?', 10_000);
      expect([answers.length, answers[0] === answer, silentHubs]).toEqual([1, true, 0]);
    });

    test('one hub receives the bytes that another one sends to it, in order, and no other hub does', async () => {
      const join = await prepare();
      const fleets = await Promise.all(['a', 'b', 'c'].map((self) => joined(join, self)));
      const received: string[][] = fleets.map((fleet) => {
        const texts: string[] = [];
        fleet.onReceived((from, data) => texts.push(`${from} ${data.join(',')}`));
        return texts;
      });
      for (const fleet of fleets) fleet.report({ host: 'm', version: '1', sequence: 0, hash: 0 });
      for (const fleet of fleets) await expect.poll(() => fleet.hubs.length).toBe(2);
      for (let number = 0; number < 20; number++) fleets[0]?.send('b', Uint8Array.of(number, 255));
      fleets[2]?.send('a', new Uint8Array());
      await expect.poll(() => received[1]).toEqual(Array.from({ length: 20 }, (_, number) => `a ${number},255`));
      await expect.poll(() => received[0]).toEqual(['c ']);
      expect(received[2]).toEqual([]);
    });

    test('a hub that has closed is gone after the time of silence', async () => {
      const join = await prepare();
      const [one, other] = [await joined(join, 'a'), await joined(join, 'b')];
      other.report({ host: 'm', version: '1', sequence: 1, hash: 1 });
      await expect.poll(() => one.hubs.length).toBe(1);
      await other.close();
      await expect.poll(() => one.hubs.length, { timeout: FLEET_SILENCE_MS + 5_000 }).toBe(0);
    });
  });
}

async function joined(join: JoinFleet, self: string): Promise<Fleet> {
  const fleet = await join(self);
  onTestFinished(() => fleet.close());
  return fleet;
}
