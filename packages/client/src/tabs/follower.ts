import type { ClientMessage, PolycastEvent, ServerMessage } from '@polycast/protocol';
import { createKey } from '../key.ts';
import type { OpenRequest } from '../machine/state.ts';
import type { TabPart } from '../options.ts';
import { aborted, sessionName, withLock, type TabMessage } from './words.ts';

/** Reads through the tab that leads. The lock tells that tab when this one is no more. */
export function openSession(
  name: string,
  request: OpenRequest,
  receive: Parameters<TabPart['open']>[1],
): ReturnType<TabPart['open']> {
  const session = createKey();
  const all = new BroadcastChannel(name);
  const own = new BroadcastChannel(sessionName(name, session));
  const closing = new AbortController();
  let isReady = false;
  own.onmessage = hear;
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
    receive(undefined);
  }

  function hear({ data }: MessageEvent<PolycastEvent | ServerMessage | { readonly op: 'gone' }>): void {
    if ('op' in data && data.op === 'gone') return left();
    isReady ||= 'op' in data && data.op === 'ready';
    receive(data);
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
}
