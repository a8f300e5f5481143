import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { read } from '../../hub/hub.ts';
import { Field, Head, ListEnd, Progress, Table, Time, valueOf } from '../../parts/basics.tsx';
import { bytesText, countText, numberText } from '../../parts/format.ts';
import { useLoad } from '../../parts/use-load.ts';
import { usePages } from '../../parts/use-pages.ts';
import { href, setParams, useRoute } from '../../router.ts';
import type { HubStatus } from '../overview/status.ts';
import { Channel } from './channel.tsx';
import { listChannels } from './channels-api.ts';

/** Names that the hub examines for one request. */
const SCANNED_PER_REQUEST = 5000;

/** The list of channels, or one of them. */
export function Channels(): VNode {
  const { args } = useRoute();
  return args[0] === undefined ? <ChannelList /> : <Channel key={args[0]} name={args[0]} />;
}

function ChannelList(): VNode {
  const { params } = useRoute();
  const [text, setText] = useState(params.get('search') ?? '');
  const search = params.get('search') ?? '';
  const anywhere = params.get('anywhere') === 'yes';
  const [requests, setRequests] = useState(0);
  const count = useLoad((signal) => read<HubStatus>('status', signal), []).value?.log.channels ?? 0;
  const pages = usePages(
    async (after, signal) => {
      setRequests((present) => (after === undefined ? 1 : present + 1));
      return listChannels({ prefix: anywhere ? '' : search, contains: anywhere ? search : '' }, after, signal);
    },
    [search, anywhere],
  );
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const change = (value: string): void => {
    setText(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setParams({ search: value }), 200);
  };
  const searched = Math.min(requests * SCANNED_PER_REQUEST, count);
  return (
    <>
      <Head
        title="Channels"
        lead={`${countText(count, 'channel')} in the log. A channel exists from its first event.`}
      />
      <div class="filters">
        <Field label="Name">
          <input
            type="search"
            value={text}
            placeholder="orders."
            onInput={(event) => change(valueOf(event))}
            spellcheck={false}
            autocomplete="off"
          />
        </Field>
        <div class="segments" role="group" aria-label="Where in the name">
          <button type="button" aria-pressed={!anywhere} onClick={() => setParams({ anywhere: '' })}>
            Begins with
          </button>
          <button type="button" aria-pressed={anywhere} onClick={() => setParams({ anywhere: 'yes' })}>
            Contains
          </button>
        </div>
      </div>
      {anywhere && search !== '' && pages.isLoading && (
        <Progress label={`Searched ${numberText(searched)} of ${numberText(count)} names`} done={searched} of={count} />
      )}
      {pages.items.length > 0 && (
        <Table label="Channels" head={['Channel', 'Events', 'Size', 'Oldest event']}>
          {pages.items.map(({ channel, events, bytes, oldest }) => (
            <tr key={channel}>
              <td class="name">
                <a href={href('channels', [channel])}>{channel}</a>
              </td>
              <td class="number">{numberText(events)}</td>
              <td class="number nowrap">{bytesText(bytes)}</td>
              <td class="nowrap">
                <Time at={oldest} />
              </td>
            </tr>
          ))}
        </Table>
      )}
      <ListEnd
        pages={pages}
        empty={search === '' ? 'No event has been published yet.' : `No channel has “${search}” in its name.`}
      />
    </>
  );
}
