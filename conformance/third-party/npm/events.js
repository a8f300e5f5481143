// node events.js CLIENT URL: prints whatever the client hands over, one JSON object a line:
// {"event","id","data"}.
import { createRequire } from 'node:module';

const [client, url] = process.argv.slice(2);
const NAMED = ['polycast.ready', 'polycast.gap', 'polycast.heartbeat', 'polycast.draining'];
const require = createRequire(import.meta.url);

function print({ event = 'message', id = '', data }) {
  process.stdout.write(JSON.stringify({ event: event || 'message', id, data }) + '\n');
}

function listen(source) {
  source.onmessage = ({ data, lastEventId }) => print({ id: lastEventId, data });
  listenToNamed(source);
}

function listenToNamed(source) {
  for (const event of NAMED)
    source.addEventListener(event, ({ data, lastEventId }) => print({ event, id: lastEventId, data }));
}

const CLIENTS = {
  async eventsource() {
    const { EventSource } = await import('eventsource');
    listen(new EventSource(url));
  },
  async 'undici EventSource'() {
    const { EventSource } = await import('undici');
    listen(new EventSource(url));
  },
  async '@sanity/eventsource'() {
    const EventSource = require('@sanity/eventsource');
    listen(new (EventSource.default ?? EventSource)(url));
  },
  async 'launchdarkly-eventsource'() {
    const { EventSource } = require('launchdarkly-eventsource');
    const source = new EventSource(url, { initialRetryDelayMillis: 200, jitterRatio: 0 });
    listen(source);
    source.onerror = () => undefined;
  },
  async 'event-source-polyfill'() {
    const { EventSourcePolyfill } = require('event-source-polyfill');
    listen(new EventSourcePolyfill(url));
  },
  async 'reconnecting-eventsource'() {
    globalThis.EventSource = (await import('eventsource')).EventSource;
    const module = require('reconnecting-eventsource');
    const source = new (module.default ?? module)(url, { max_retry_time: 300 });
    // After a refusal it continues from the last event with such a listener. `onmessage` is none.
    source.addEventListener('message', ({ data, lastEventId }) => print({ id: lastEventId, data }));
    listenToNamed(source);
  },
  async 'eventsource-client'() {
    const { createEventSource } = await import('eventsource-client');
    createEventSource({ url, onMessage: print });
  },
  async 'eventsource-parser'() {
    const { createParser } = await import('eventsource-parser');
    let last = '';
    for (;;) {
      try {
        const headers = { Accept: 'text/event-stream', ...(last !== '' && { 'Last-Event-ID': last }) };
        const response = await fetch(url, { headers });
        const parser = createParser({ onEvent: (event) => ((last = event.id ?? last), print(event)) });
        const text = new TextDecoder();
        for await (const piece of response.body) parser.feed(text.decode(piece, { stream: true }));
      } catch {
        // It reads; connecting again is its user's own affair.
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  },
  async '@microsoft/fetch-event-source'() {
    // It is made for pages, and looks whether its own is seen.
    globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
    globalThis.window = globalThis;
    const { fetchEventSource } = await import('@microsoft/fetch-event-source');
    await fetchEventSource(url, {
      openWhenHidden: true,
      onmessage({ event, id, data }) {
        // As its users write it: what throws here makes it connect again.
        JSON.parse(data);
        print({ event, id, data });
      },
      onerror: () => 300,
      onclose() {
        throw new Error('The stream has ended: connect again.');
      },
    });
  },
};

// Some keep no process alive while they wait.
setInterval(() => undefined, 60_000);
await CLIENTS[client]();
