import { BodyBuffer } from './webhooks/body-buffer.ts';
import { answerNode, type NodeRequest, type NodeResponse } from './webhooks/node.ts';
import { ReceiverCore, type ReceiverOptions, type WebhookHandler } from './webhooks/receiver.ts';

export { WebhookError, type WebhookErrorCode } from './webhooks/error.ts';
export type { HeaderSource } from './webhooks/headers.ts';
export type { NodeRequest, NodeResponse } from './webhooks/node.ts';
export { AnswerWith, type Delivery, type ReceiverOptions, type WebhookHandler } from './webhooks/receiver.ts';
export { memorySeen, type MemorySeenOptions, type Seen, type SeenStore } from './webhooks/seen.ts';
export { createVerifier, type VerifiedWebhook, type Verifier, type VerifierOptions } from './webhooks/verify.ts';
export type { PolycastEvent } from '@polycast/protocol';

/** Receives webhooks, in whatever the site is written with. Both take requests of any number at once. */
export interface WebhookReceiver {
  /** For what hands on a `Request` and wants a `Response`: workers, Hono, Next, Deno, Bun. */
  fetch(request: Request): Promise<Response>;
  /** For `node:http` and Express, there before anything that parses bodies. */
  node(request: NodeRequest, response: NodeResponse): Promise<void>;
}

/**
 * Makes a receiver of webhooks that Polycast sends: it checks each request's signature over the raw body, answers the hub's question
 * whether the endpoint wants the events, and calls the handler once for each event.
 */
export function createReceiver(options: ReceiverOptions, handler: WebhookHandler): WebhookReceiver {
  const core = new ReceiverCore(options, handler);
  return {
    async fetch(request) {
      const { method, headers, body: stream } = request;
      const readBody = async (bytesMax: number): Promise<Uint8Array> => {
        const pieces = new BodyBuffer(bytesMax);
        for await (const piece of stream ?? []) pieces.add(piece);
        return pieces.toBytes();
      };
      const { body, ...answer } = await core.answer({ method, headers, readBody });
      return new Response(body === '' ? null : body, answer);
    },
    node: (request, response) => answerNode(core, request, response),
  };
}
