import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { LabConfig, PersonName } from '../model/records.ts';
import { publishNews, UsersDemo as TownModel, sendPrivateMessage } from '../users-demo.ts';
import { UserPane } from './user-pane.tsx';

/** Two users side by side: public messages, private messages, and who is present. */
export function UsersDemo({ people }: { people: LabConfig['people'] }): VNode {
  const [demo] = useState(() => new TownModel());
  const [, setVersion] = useState(0);
  useEffect(() => {
    const stop = demo.listen(() => setVersion((version) => version + 1));
    demo.open();
    return () => {
      stop();
      demo.close();
    };
  }, [demo]);
  return (
    <section class="town" aria-labelledby="town-title">
      <div class="section-head">
        <h2 id="town-title">Who receives what</h2>
        <p>
          Two browsers, each with its own login. News goes to everyone; a private message goes to one user on all
          devices.
        </p>
      </div>
      <Backend people={people} />
      <div class="seats">
        {demo.sessions.map((seat) => (
          <UserPane key={seat.title} session={seat} people={people} />
        ))}
      </div>
    </section>
  );
}

const FIRST_TEXT = 'The oven is hot.';

/** Actions of a site's server, one request each. */
function Backend({ people }: { people: LabConfig['people'] }): VNode {
  const [text, setText] = useState(FIRST_TEXT);
  const [sent, setSent] = useState('');
  const send = async (to: PersonName | undefined): Promise<void> => {
    try {
      await (to === undefined ? publishNews(text) : sendPrivateMessage(to, text));
      setSent(to === undefined ? 'The news is published.' : 'The private message is published.');
    } catch (error) {
      setSent(String(error));
    }
  };
  return (
    <form
      class="backend"
      aria-label="Your backend"
      onSubmit={(event) => {
        event.preventDefault();
        void send(undefined);
      }}
    >
      <label class="backend-text">
        <span>Your backend publishes</span>
        <input
          type="text"
          value={text}
          maxLength={200}
          required
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <div class="backend-buttons">
        <button type="submit">News to everyone</button>
        {people.map(({ name, title }) => (
          <button key={name} type="button" disabled={text === ''} onClick={() => void send(name)}>
            Private message to {title}
          </button>
        ))}
      </div>
      <p class="backend-sent" role="status">
        {sent}
      </p>
    </form>
  );
}
