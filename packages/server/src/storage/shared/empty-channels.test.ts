import { expect, test } from 'vitest';
import { createChannelEntry, type ChannelEntry } from './channel-directory.ts';
import { EmptyChannels } from './empty-channels.ts';

const LATER_MS = 1e12;

test('channels are forgotten by minute and creation, however they became empty', () => {
  const channels = new EmptyChannels();
  const emptied = (id: number, minute: number): ChannelEntry => ({
    ...createChannelEntry(`a.${10 - id}`, id, 0, 0),
    appendedTimeMs: minute * 60_000,
  });
  for (const entry of [emptied(4, 2), emptied(2, 2), emptied(3, 1), emptied(1, 2), emptied(5, 1)]) channels.add(entry);
  const taken = [channels.takeDue(LATER_MS, 3), channels.takeDue(LATER_MS, 1)];
  channels.add(emptied(0, 2));
  taken.push(channels.takeDue(LATER_MS, 9));
  expect(taken.map((entries) => entries.map(({ id }) => id))).toEqual([[3, 5, 1], [2], [0, 4]]);
  expect(channels.isDue(LATER_MS)).toBe(false);
});

test('a step costs no more when many channels became empty in one minute', () => {
  const channels = new EmptyChannels();
  let looks = 0;
  for (let index = 0; index < 20_000; index++) {
    const entry = createChannelEntry(`orders.${index}`, 0, 0, 0);
    Object.defineProperty(entry, 'id', {
      get: () => {
        looks++;
        return (index * 7919) % 20_000;
      },
    });
    channels.add(entry);
  }
  channels.takeDue(LATER_MS, 256);
  looks = 0;
  let count = 256;
  for (let taken = 256; taken > 0; count += taken) taken = channels.takeDue(LATER_MS, 256).length;
  expect([count, looks]).toEqual([20_000, 0]);
});
