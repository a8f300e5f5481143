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

/** A receiver of webhooks, for different web frameworks. Both methods take concurrent requests. */
export interface WebhookReceiver {
  /** For frameworks with `Request` and `Response`: workers, Hono, Next, Deno, Bun. */
  fetch(request: Request): Promise<Response>;
  /** For `node:http` and Express; in Express, mount it before any body parser. */
  node(request: NodeRequest, response: NodeResponse): Promise<void>;
}

/**
 * Makes a receiver of webhooks that Polycast sends. It checks the signature of each request over
 * the raw body and answers the hub's verification of the endpoint. It calls the handler for each
 * event; with `seen`, once for each.
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
