import type { OtherHubs } from '../../core/ports.ts';
import type { Fleet } from './fleet.ts';

/** The longest wait for the answers of other hubs to a question. */
const ANSWER_MAX_MS = 2_000;

/** The other hubs of the log, as members of a fleet. */
export function otherHubs(fleet: Fleet): OtherHubs {
  const listeners: ((question: unknown) => unknown)[] = [];
  fleet.onAsked((text) => {
    const question: unknown = JSON.parse(text);
    for (const listener of listeners) {
      const answer = listener(question);
      if (answer instanceof Promise) return answer.then(JSON.stringify) as Promise<string>;
      if (answer !== undefined) return JSON.stringify(answer);
    }
    return undefined;
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
