import type { ClientMessage, PolycastEvent, ServerMessage } from '@polycast/protocol';
import { randomId } from '../random-id.ts';
import type { OpenRequest } from '../machine/state.ts';
import type { TabSession } from '../connection/options.ts';
import { aborted, sessionName, withLock, type TabMessage } from './tab-messages.ts';

/** Reads through the leading tab. A lock per session shows the leader when this tab ends. */
export function openSession(
  name: string,
  request: OpenRequest,
  receive: Parameters<TabSession['open']>[1],
): ReturnType<TabSession['open']> {
  const session = randomId();
  const broadcast = new BroadcastChannel(name);
  const sessionChannel = new BroadcastChannel(sessionName(name, session));
  const closing = new AbortController();
  let isReady = false;
  sessionChannel.onmessage = receiveMessage;
  broadcast.onmessage = ({ data }: MessageEvent<TabMessage>) => {
    if (data.op === 'leader') onNewLeader();
  };
  withLock(sessionName(name, session), hold);
  return { send, close };

  function hold(): Promise<void> {
    requestSession();
    return aborted(closing.signal);
  }

  function requestSession(): void {
    post({ op: 'open', session, request });
  }

  /**
   * A new leader does not know this session, and the tab's cursor has moved on since the session
   * was opened.
   */
  function onNewLeader(): void {
    if (isReady) onSessionLost();
    else requestSession();
  }

  function onSessionLost(): void {
    close();
    receive(undefined);
  }

  function receiveMessage({ data }: MessageEvent<PolycastEvent | ServerMessage | { readonly op: 'gone' }>): void {
    if ('op' in data && data.op === 'gone') return onSessionLost();
    isReady ||= 'op' in data && data.op === 'ready';
    receive(data);
  }

  function send(message: ClientMessage): void {
    post({ op: 'send', session, message });
  }

  function post(message: TabMessage): void {
    if (!closing.signal.aborted) broadcast.postMessage(message);
  }

  function close(): void {
    closing.abort();
    broadcast.close();
    sessionChannel.close();
  }
}
