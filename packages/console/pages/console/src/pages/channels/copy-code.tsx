import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { hubUrl } from '../../hub/hub.ts';
import { Copy } from '../../parts/basics.tsx';

/** The same channel in a shell and in the SDK. Keys are never part of the code. */
const SNIPPETS: readonly { readonly title: string; readonly code: (url: string, channel: string) => string }[] = [
  {
    title: 'Follow with curl',
    code: (url, channel) =>
      `curl -N -H "Authorization: Bearer $POLYCAST_KEY" -H 'Accept: text/event-stream' '${url}/v1/events?channel=${channel}'`,
  },
  {
    title: 'Publish with curl',
    code: (url, channel) =>
      `curl '${url}/v1/channels/${channel}/events' -H "Authorization: Bearer $POLYCAST_KEY" -H 'Content-Type: application/json' -d '{"state":"baked"}'`,
  },
  {
    title: 'Follow with the SDK',
    code: (url, channel) => `import { connect } from '@polycast/client';

const hub = connect('${url}', { token: process.env.POLYCAST_KEY });
hub.subscribe('${channel}', (event) => console.log(event.id, event.data), { history: 10 });`,
  },
  {
    title: 'Publish with the SDK',
    code: (url, channel) => `import { connect } from '@polycast/client';

const hub = connect('${url}', { token: process.env.POLYCAST_KEY });
await hub.publish('${channel}', { state: 'baked' });`,
  },
];

export function CopyCode({ channel }: { channel: string }): VNode {
  const [chosen, setChosen] = useState(0);
  const code = SNIPPETS[chosen]?.code(hubUrl(), channel) ?? '';
  return (
    <>
      <div class="segments" role="group" aria-label="Language">
        {SNIPPETS.map(({ title }, index) => (
          <button key={title} type="button" aria-pressed={index === chosen} onClick={() => setChosen(index)}>
            {title}
          </button>
        ))}
      </div>
      <pre class="json code" tabIndex={0}>
        {code}
      </pre>
      <Copy text={code}>Copy the code</Copy>
    </>
  );
}
