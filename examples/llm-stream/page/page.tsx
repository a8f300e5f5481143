import { useChat } from '@ai-sdk/react';
import { connect, type PolycastEvent } from '@polycast/client';
import { presence } from '@polycast/client/presence';
import { useEffect, useState, type FormEvent } from 'react';
import { createRoot } from 'react-dom/client';
import type { AnswerEnd } from '../services/model.ts';
import { hubTransport, type ChatMessage } from './hub-transport.ts';

const chatId = location.hash.slice(1) || crypto.randomUUID().slice(0, 8);
location.hash = chatId;
const connection = connect(location.origin);
const transport = hubTransport(connection);
const stop = (): Promise<Response> => fetch(`/api/chats/${chatId}/stop`, { method: 'POST' });

createRoot(document.querySelector('main') as Element).render(<Chat initial={await loadMessages()} />);

function Chat({ initial }: { readonly initial: ChatMessage[] }) {
  const { messages, setMessages, sendMessage, resumeStream, status } = useChat<ChatMessage>({
    id: chatId,
    messages: initial,
    transport,
    resume: true,
  });
  const [text, setText] = useState('');
  const [foreignTurn, setForeignTurn] = useState<string>();
  const viewers = useViewers();
  const isWriting = status === 'submitted' || status === 'streaming';

  // A question from another device: show it, and follow its answer.
  useEffect(() => {
    const onTurn = ({ data }: PolycastEvent<AnswerEnd>): void => setForeignTurn(data.messageId);
    return connection.subscribe(`tokens.${chatId}`, onTurn, { types: ['turn'] }).close;
  }, []);
  useEffect(() => {
    if (foreignTurn === undefined || isWriting) return;
    setForeignTurn(undefined);
    if (messages.some(({ id }) => id === foreignTurn)) return;
    void loadMessages().then((loaded) => {
      setMessages(loaded);
      return resumeStream();
    });
  }, [foreignTurn, isWriting]);

  // The end of an answer stays on the screen.
  useEffect(() => void (isWriting && scrollTo(0, document.documentElement.scrollHeight)), [messages]);

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (text.trim() === '' || isWriting) return;
    void sendMessage({ text });
    setText('');
  };

  return (
    <section className="card">
      <p className="muted row">
        <span className="badge good">{viewers === 1 ? 'only you' : `${viewers} viewers`}</span>
        Open the address of this page on another device in mid-answer.
      </p>
      <ol id="messages" aria-live="polite">
        {messages.map((message) => (
          <Message key={message.id} message={message} />
        ))}
      </ol>
      <form className="row" onSubmit={submit}>
        <input value={text} onChange={({ target }) => setText(target.value)} aria-label="Question" />
        <button hidden={isWriting}>Ask</button>
        <button type="button" hidden={!isWriting} onClick={() => void stop()}>
          Stop
        </button>
      </form>
    </section>
  );
}

function Message({ message: { role, parts, metadata } }: { readonly message: ChatMessage }) {
  const usage = metadata?.usage;
  return (
    <li className={role}>
      <p>{parts.map((part) => (part.type === 'text' ? part.text : ''))}</p>
      {metadata && metadata.state !== 'done' && <span className="badge warn">{metadata.state}</span>}
      {usage && (
        <small className="muted">
          {usage.inputTokens} + {usage.outputTokens} tokens, ${usage.dollars.toFixed(6)}
        </small>
      )}
    </li>
  );
}

function useViewers(): number {
  const [viewers, setViewers] = useState(1);
  useEffect(() => {
    const watch = presence(connection, `tokens.${chatId}`);
    void (async () => {
      for await (const { anonymous } of watch) setViewers(Math.max(1, anonymous));
    })();
    return () => watch.close();
  }, []);
  return viewers;
}

async function loadMessages(): Promise<ChatMessage[]> {
  return (await fetch(`/api/chats/${chatId}/messages`)).json() as Promise<ChatMessage[]>;
}
