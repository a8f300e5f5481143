import type { Connection, PolycastEvent, Subscription } from '@polycast/client';
import type { ChatTransport, UIMessage, UIMessageChunk } from 'ai';
import type { AnswerEnd, AnswerSoFar } from '../services/model.ts';

export type ChatMessage = UIMessage<AnswerEnd>;

type TokenEvent = PolycastEvent<AnswerEnd & { readonly text?: string }>;

/**
 * A transport for `useChat` of the AI SDK: questions go to the service, answers come through the
 * hub. So an answer belongs to no request, and any number of pages can follow it, from any point.
 */
export function hubTransport(connection: Connection): ChatTransport<ChatMessage> {
  return {
    async sendMessages({ chatId, messages }) {
      const question = messages.at(-1);
      const text = question?.parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
      const body = JSON.stringify({ id: question?.id, text });
      const response = await fetch(`/api/chats/${chatId}/messages`, { method: 'POST', body });
      const answer = await response.json();
      if (!response.ok) throw new Error(answer as string);
      return follow(chatId, answer.messageId, '', answer.cursor);
    },
    /** The text so far in one piece, then the tokens that follow it. */
    async reconnectToStream({ chatId }) {
      const response = await connection.fetch(`events?channel=answer.${chatId}&after=earliest`);
      const { events } = (await response.json()) as { events: PolycastEvent<AnswerSoFar>[] };
      const latest = events.at(-1);
      if (latest?.data.state !== 'streaming') return null;
      return follow(chatId, latest.data.messageId, latest.data.text, latest.id);
    },
  };

  function follow(chatId: string, messageId: string, text: string, after: string): ReadableStream<UIMessageChunk> {
    let subscription: Subscription | undefined;
    return new ReadableStream<UIMessageChunk>({
      start(controller) {
        controller.enqueue({ type: 'start', messageId });
        controller.enqueue({ type: 'text-start', id: 'text' });
        if (text !== '') controller.enqueue({ type: 'text-delta', id: 'text', delta: text });
        const onEvent = ({ type, data }: TokenEvent): void => {
          if (data.messageId !== messageId) return;
          if (type === 'text') return controller.enqueue({ type: 'text-delta', id: 'text', delta: data.text ?? '' });
          controller.enqueue({ type: 'text-end', id: 'text' });
          controller.enqueue({ type: 'finish', messageMetadata: data });
          controller.close();
          subscription?.close();
        };
        subscription = connection.subscribe(`tokens.${chatId}`, onEvent, { after, types: ['text', 'end'] });
      },
      cancel: () => subscription?.close(),
    });
  }
}
