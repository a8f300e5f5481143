import type { ClientMessage, PolycastEvent, ServerMessage } from '@polycast/protocol';
import type { Means, Target } from '../http.ts';
import type { OpenRequest } from '../machine/state.ts';
import { createKey } from '../key.ts';
import { aborted, sessionName, withLock, type TabMessage } from '../tabs/words.ts';
import type { OpenTransport, Tell, Transport } from './transport.ts';
import { readMessage } from './messages.ts';

/** Reads through the tab that leads. The lock tells that tab when this one is no more. */
export function createTab(name: string): OpenTransport {
  return (_means: Means, _target: Target, request: OpenRequest, tell: Tell): Transport => {
    const session = createKey();
    const all = new BroadcastChannel(name);
    const own = new BroadcastChannel(sessionName(name, session));
    const closing = new AbortController();
    let isReady = false;
    own.onmessage = receive;
    all.onmessage = ({ data }: MessageEvent<TabMessage>) => {
      if (data.op === 'leader') led();
    };
    withLock(sessionName(name, session), hold);
    return { send, close };

    function hold(): Promise<void> {
      ask();
      return aborted(closing.signal);
    }

    function ask(): void {
      post({ op: 'open', session, request });
    }

    /** There is a new leader: it does not know this session, and this tab's place has moved on since it was opened. */
    function led(): void {
      if (isReady) left();
      else ask();
    }

    function left(): void {
      close();
      tell({ kind: 'ended', ending: { kind: 'lost', why: 'gone' } });
    }

    function receive({ data }: MessageEvent<PolycastEvent | ServerMessage | { readonly op: 'gone' }>): void {
      if ('op' in data && data.op === 'gone') return left();
      isReady ||= 'op' in data && data.op === 'ready';
      readMessage(data, tell);
    }

    function send(message: ClientMessage): void {
      post({ op: 'send', session, message });
    }

    function post(message: TabMessage): void {
      if (!closing.signal.aborted) all.postMessage(message);
    }

    function close(): void {
      closing.abort();
      all.close();
      own.close();
    }
  };
}
