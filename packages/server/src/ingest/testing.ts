import { createHmac } from 'node:crypto';
import { sign as signForGithub } from '@octokit/webhooks-methods';
import { Webhook } from 'standardwebhooks';
import Stripe from 'stripe';
import type { IngestProvider } from '../core/ingest-settings.ts';

/** A request that a provider sends. */
export interface ProviderRequest {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** A provider whose own library signs, or for Shopify its documented rule. */
export interface TestProvider {
  readonly secret: string;
  /** The expected type of the event. */
  readonly type: string;
  /** @param id of the delivery */
  readonly sign: (id: string, seconds: number) => Promise<ProviderRequest>;
}

export const TEST_PROVIDERS: Readonly<Record<IngestProvider, TestProvider>> = {
  stripe: {
    secret: 'whsec_DaLRHCRs35vEXqOE8uTEAXGLGUOnyaFf',
    type: 'invoice.paid',
    async sign(id, seconds) {
      const body = JSON.stringify({ id, object: 'event', type: 'invoice.paid', pending_webhooks: 1 }, undefined, 2);
      const options = { payload: body, secret: TEST_PROVIDERS.stripe.secret, timestamp: seconds };
      return { body, headers: { 'Stripe-Signature': Stripe.webhooks.generateTestHeaderString(options) } };
    },
  },
  github: {
    secret: "It's a Secret to Everybody",
    type: 'issues.opened',
    async sign(id) {
      const body = '{"action":"opened","issue":{"number":7,"title":"Größe"}}';
      const headers = {
        'X-GitHub-Event': 'issues',
        'X-GitHub-Delivery': id,
        'X-Hub-Signature-256': await signForGithub(TEST_PROVIDERS.github.secret, body),
      };
      return { body, headers };
    },
  },
  shopify: {
    secret: 'shpss_0123456789abcdef',
    type: 'orders/create',
    async sign(id) {
      const body = '{"id":820982911946154508,"total_price":"403.00"}';
      const headers = {
        'X-Shopify-Topic': 'orders/create',
        'X-Shopify-Event-Id': id,
        // "Each webhook includes a base64-encoded X-Shopify-Hmac-SHA256 field in the header, which
        // is generated using the app's client secret along with the data sent in the request."
        'X-Shopify-Hmac-SHA256': createHmac('sha256', TEST_PROVIDERS.shopify.secret).update(body).digest('base64'),
      };
      return { body, headers };
    },
  },
  standard: {
    secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    type: 'contact.created',
    async sign(id, seconds) {
      const body = '{"type":"contact.created","data":{"id":1}}';
      const headers = {
        'webhook-id': id,
        'webhook-timestamp': String(seconds),
        'webhook-signature': new Webhook(TEST_PROVIDERS.standard.secret).sign(id, new Date(seconds * 1000), body),
      };
      return { body, headers };
    },
  },
};
