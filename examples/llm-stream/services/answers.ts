import { randomUUID } from 'node:crypto';
import type { ServerPublisher } from '@polycast/client/server';
import type { Chats } from './chats.ts';
import type { AnswerEnd, AnswerSoFar, Model, Usage } from './model.ts';

export interface Answers {
  isRunning(chat: string): boolean;
  /** Returns the id of the new message, and the cursor from which its tokens follow. */
  start(chat: string): Promise<{ readonly messageId: string; readonly cursor: string }>;
  /** Stops the generator itself. */
  stop(chat: string): void;
  end(chat: string, answer: AnswerSoFar, usage?: Usage): Promise<void>;
}

const SNAPSHOT_MS = 500;
const DOLLARS_PER_TOKEN = { input: 0.15e-6, output: 0.6e-6 };

/** Lets the model answer, and publishes what it says. Nobody has to read along. */
export function createAnswers(model: Model, chats: Chats, hub: ServerPublisher): Answers {
  const running = new Map<string, AbortController>();
  return {
    isRunning: (chat) => running.has(chat),
    async start(chat) {
      const messageId = randomUUID();
      const stopping = new AbortController();
      running.set(chat, stopping);
      // Before the turn is announced: other pages then find it.
      const announced = save(chat, { messageId, text: '', state: 'streaming' }).then(() =>
        hub.publish(`tokens.${chat}`, { messageId }, { type: 'turn' }),
      );
      // If the hub was away, the next question may try again.
      announced.catch(() => running.delete(chat));
      const { id: cursor } = await announced;
      void run(chat, messageId, stopping).catch(console.error);
      return { messageId, cursor };
    },
    stop: (chat) => running.get(chat)?.abort(),
    end,
  };

  async function run(chat: string, messageId: string, stopping: AbortController): Promise<void> {
    let text = '';
    let waiting = '';
    let usage: Usage | undefined;
    let state: AnswerSoFar['state'] = 'done';
    let snapshotMs = 0;
    let sending: Promise<void> | undefined;
    try {
      for await (const piece of model(chats.turns(chat), stopping.signal)) {
        if ('usage' in piece) usage = piece.usage;
        else {
          waiting += piece.text;
          sending ??= send().catch(() => stopping.abort()); // the hub was away for too long
        }
      }
    } catch {
      state = stopping.signal.aborted ? 'stopped' : 'failed';
    }
    await sending;
    await end(chat, { messageId, text, state }, usage).finally(() => running.delete(chat));

    // While one publish is on its way, the next tokens wait and go together:
    // a slow network makes larger pieces.
    async function send(): Promise<void> {
      while (waiting !== '') {
        const piece = waiting;
        waiting = '';
        text += piece;
        await hub.publish(`tokens.${chat}`, { messageId, text: piece }, { type: 'text' });
        if (Date.now() - snapshotMs < SNAPSHOT_MS) continue;
        snapshotMs = Date.now();
        await save(chat, { messageId, text, state: 'streaming' });
      }
      sending = undefined;
    }
  }

  async function end(chat: string, answer: AnswerSoFar, used?: Usage): Promise<void> {
    const { input, output } = DOLLARS_PER_TOKEN;
    const usage = used && { ...used, dollars: used.inputTokens * input + used.outputTokens * output };
    const ended: AnswerEnd = { messageId: answer.messageId, state: answer.state, usage };
    await save(chat, answer, ended);
    await hub.publish(`tokens.${chat}`, ended, { type: 'end' });
  }

  async function save(chat: string, answer: AnswerSoFar, ended?: AnswerEnd): Promise<void> {
    chats.saveAnswer(chat, answer, ended);
    await hub.publish(`answer.${chat}`, answer);
  }
}
