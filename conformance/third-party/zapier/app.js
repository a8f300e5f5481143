// An app as docs/guides/rest-hooks.md describes it, in the platform's own client. HUB and TARGET
// are its arguments; it prints what each step gave.
import zapier from 'zapier-platform-core';

const [hub, target] = process.argv.slice(2);
const json = { 'Content-Type': 'application/json' };

const app = {
  version: '1.0.0',
  platformVersion: zapier.version,
  triggers: {
    baked: {
      key: 'baked',
      noun: 'Order',
      display: { label: 'Order baked', description: 'Triggers when an order is baked.' },
      operation: {
        type: 'hook',
        performSubscribe: {
          method: 'POST',
          url: `${hub}/v1/hooks`,
          headers: json,
          body: { target_url: '{{bundle.targetUrl}}', event: 'order.baked' },
        },
        performUnsubscribe: { method: 'DELETE', url: `${hub}/v1/hooks/{{bundle.subscribeData.id}}` },
        performList: { url: `${hub}/v1/hooks/samples`, params: { event: 'order.baked' } },
        perform: (_z, bundle) => [bundle.cleanedRequest],
        sample: { id: 1 },
      },
    },
  },
};

const run = zapier.createAppTester(app);
const { operation } = app.triggers.baked;
const steps = {
  list: () => run(operation.performList, {}),
  subscribe: () => run(operation.performSubscribe, { targetUrl: target }),
};
const shown = {};
for (const [name, step] of Object.entries(steps)) shown[name] = await step();
shown.unsubscribe = await run(operation.performUnsubscribe, { targetUrl: target, subscribeData: shown.subscribe });
console.log(`shown ${JSON.stringify(shown)}`);
