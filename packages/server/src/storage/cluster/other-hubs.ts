import type { OtherHubs } from '../../core/cluster-state.ts';
import type { StorageLogger } from '../home.ts';
import type { Fleet } from './fleet.ts';

/** The longest wait for the answers of other hubs to a question. */
const ANSWER_MAX_MS = 2_000;

/** The other hubs of the log, as members of a fleet. A question whose answer fails has none. */
export function otherHubs(fleet: Fleet, logger: Pick<StorageLogger, 'error'>): OtherHubs {
  const listeners: ((question: unknown) => unknown)[] = [];
  const answerOf = async (question: unknown): Promise<string | undefined> => {
    for (const listener of listeners) {
      // Without a pause between them: a later broadcast must not come first.
      const answer = listener(question);
      if (answer !== undefined) return JSON.stringify(await answer);
    }
    return undefined;
  };
  fleet.onAsked(async (text) => {
    try {
      return await answerOf(JSON.parse(text));
    } catch (error) {
      logger.error({ error: String(error) }, 'cluster: a question of another hub failed');
      return undefined;
    }
  });
  return {
    self: fleet.self,
    get names() {
      return fleet.hubs.map(({ hub }) => hub);
    },
    async ask<Answer>(question: object, timeoutMs = ANSWER_MAX_MS) {
      const { answers, silentHubs, silent } = await fleet.ask(JSON.stringify(question), timeoutMs);
      return { answers: answers.map((text) => JSON.parse(text) as Answer), silentHubs, silent };
    },
    onAsked: (listener) => void listeners.push(listener),
  };
}
