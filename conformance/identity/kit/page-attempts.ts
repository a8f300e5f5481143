/**
 * Attempts of a page, which run in the page itself. Each returns everything that the page learnt.
 */
export interface Target {
  readonly hub: string;
  readonly channel: string;
  /** A text that identifies the data to read, … */
  readonly secret: string;
  /** … and a text that identifies the data to send. */
  readonly marker: string;
}

export type Attempt = (target: Target) => Promise<string>;

/** Ways to read. `blind`: no page may see the answer, of any origin. */
export const READS: Readonly<Record<string, Attempt>> = {
  fetch: ({ hub, channel }) =>
    fetch(`${hub}/v1/events?channel=${channel}&after=earliest`, { credentials: 'include' }).then(
      (answer) => answer.text(),
      String,
    ),
  'long poll': ({ hub, channel }) =>
    fetch(`${hub}/v1/events?channel=${channel}&after=earliest&wait=5`, { credentials: 'include' }).then(
      (answer) => answer.text(),
      String,
    ),
  XMLHttpRequest: ({ hub, channel }) =>
    new Promise((resolve) => {
      const request = new XMLHttpRequest();
      request.open('GET', `${hub}/v1/channels/${channel}/history`);
      request.withCredentials = true;
      request.onloadend = () => resolve(request.responseText);
      request.send();
    }),
  EventSource: ({ hub, channel, secret }) =>
    new Promise((resolve) => {
      let seen = '';
      const source = new EventSource(`${hub}/v1/events?channel=${channel}&after=earliest`, { withCredentials: true });
      const done = (): void => {
        source.close();
        resolve(seen);
      };
      source.onmessage = ({ data }) => {
        seen += data;
        if (seen.includes(secret)) done();
      };
      source.onopen = () => (seen += 'open ');
      source.onerror = done;
    }),
  WebSocket: ({ hub, channel, secret }) =>
    new Promise((resolve) => {
      let seen = '';
      const socket = new WebSocket(`${hub.replace('http', 'ws')}/v1/events?channel=${channel}&after=earliest`);
      socket.onopen = () => (seen += 'open ');
      socket.onmessage = ({ data }) => {
        seen += data;
        if (seen.includes(secret)) socket.close();
      };
      socket.onclose = () => resolve(seen);
    }),
};

/** Ways around the restrictions on reading. No page may see their answers, of any origin. */
export const OPAQUE_READS: Readonly<Record<string, Attempt>> = {
  'fetch without CORS': ({ hub, channel }) =>
    fetch(`${hub}/v1/events?channel=${channel}&after=earliest`, { credentials: 'include', mode: 'no-cors' }).then(
      (answer) => answer.text(),
      String,
    ),
  'a script': ({ hub, channel }) =>
    new Promise((resolve) => {
      const script = document.createElement('script');
      script.src = `${hub}/v1/channels/${channel}/history`;
      // A script with invalid syntax raises an error with details, if the page may see them.
      addEventListener('error', ({ message }) => resolve(String(message)), { once: true });
      script.onerror = () => resolve('');
      script.onload = () => resolve('loaded');
      document.body.append(script);
    }),
  'an image': ({ hub, channel }) =>
    new Promise((resolve) => {
      const image = new Image();
      image.onload = () => resolve(`${image.width}`);
      image.onerror = () => resolve('');
      image.src = `${hub}/v1/channels/${channel}`;
    }),
  'a style sheet': ({ hub, channel }) =>
    new Promise((resolve) => {
      const link = document.createElement('link');
      link.rel = 'stylesheet';
      link.href = `${hub}/v1/channels/${channel}/history`;
      link.onload = () => resolve('loaded');
      link.onerror = () => resolve('');
      document.body.append(link);
    }),
  'a frame': ({ hub, channel }) =>
    new Promise((resolve) => {
      const frame = document.createElement('iframe');
      frame.src = `${hub}/v1/channels/${channel}/history`;
      frame.onload = () => {
        // A frame of another origin has no readable document.
        resolve(frame.contentDocument?.body.textContent ?? '');
      };
      document.body.append(frame);
    }),
};

/** Ways to send. */
export const SENDS: Readonly<Record<string, Attempt>> = {
  fetch: ({ hub, channel, marker }) =>
    fetch(`${hub}/v1/events`, {
      method: 'POST',
      credentials: 'include',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ channel, data: marker }),
    }).then((answer) => answer.text(), String),
  'fetch without CORS': ({ hub, channel, marker }) =>
    fetch(`${hub}/v1/channels/${channel}/events`, {
      method: 'POST',
      mode: 'no-cors',
      credentials: 'include',
      body: marker,
    }).then((answer) => answer.text(), String),
  beacon: ({ hub, channel, marker }) =>
    Promise.resolve(String(navigator.sendBeacon(`${hub}/v1/channels/${channel}/events`, marker))),
  'a form of plain text': ({ hub, channel, marker }) =>
    new Promise((resolve) => {
      const frame = document.createElement('iframe');
      frame.name = `plain ${marker}`;
      document.body.append(frame);
      const form = document.createElement('form');
      const action = `${hub}/v1/channels/${channel}/events`;
      Object.assign(form, { method: 'post', action, target: frame.name, enctype: 'text/plain' });
      const input = document.createElement('input');
      // The body of such a form can look like JSON.
      Object.assign(input, { name: `{"channel":"${channel}","data":"${marker}","x":"`, value: '"}' });
      form.append(input);
      document.body.append(form);
      frame.onload = () => resolve(frame.remove() ?? '');
      form.submit();
    }),
  WebSocket: ({ hub, channel, marker }) =>
    new Promise((resolve) => {
      const socket = new WebSocket(`${hub.replace('http', 'ws')}/v1/events`);
      let seen = '';
      socket.onmessage = ({ data }) => {
        seen += data;
        const { op } = JSON.parse(data as string) as { op?: string };
        if (op === 'ready') socket.send(JSON.stringify({ op: 'publish', channel, data: marker }));
        else socket.close();
      };
      socket.onclose = () => resolve(seen);
    }),
};

/** Also what the hub refuses from any page: it takes no event from an ordinary form. */
export const FOREIGN_SENDS: Readonly<Record<string, Attempt>> = {
  ...SENDS,
  'an ordinary form': ({ hub, channel, marker }) =>
    new Promise((resolve) => {
      const frame = document.createElement('iframe');
      frame.name = marker;
      document.body.append(frame);
      const form = document.createElement('form');
      Object.assign(form, { method: 'post', action: `${hub}/v1/channels/${channel}/events`, target: marker });
      const input = document.createElement('input');
      Object.assign(input, { name: 'text', value: marker });
      form.append(input);
      document.body.append(form);
      frame.onload = () => resolve(frame.remove() ?? '');
      form.submit();
    }),
};
