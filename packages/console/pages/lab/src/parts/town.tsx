import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { LabConfig, PersonName } from '../model/records.ts';
import { tellAll, Town as TownModel, writeTo } from '../town.ts';
import { SeatPane } from './seat-pane.tsx';

/** Two users side by side: what all are told, what one is told, and who is there. */
export function Town({ people }: { people: LabConfig['people'] }): VNode {
  const [town] = useState(() => new TownModel());
  const [, setVersion] = useState(0);
  useEffect(() => {
    const stop = town.listen(() => setVersion((version) => version + 1));
    town.open();
    return () => {
      stop();
      town.close();
    };
  }, [town]);
  return (
    <section class="town" aria-labelledby="town-title">
      <div class="section-head">
        <h2 id="town-title">Who gets what</h2>
        <p>Two browsers, each logged in as somebody. News is for all; a letter is for one, wherever they are.</p>
      </div>
      <Backend people={people} />
      <div class="seats">
        {town.seats.map((seat) => (
          <SeatPane key={seat.title} seat={seat} people={people} />
        ))}
      </div>
    </section>
  );
}

const FIRST_WORDS = 'The oven is hot.';

/** What a site's server does with one request each. */
function Backend({ people }: { people: LabConfig['people'] }): VNode {
  const [text, setText] = useState(FIRST_WORDS);
  const [sent, setSent] = useState('');
  const send = async (to: PersonName | undefined): Promise<void> => {
    try {
      await (to === undefined ? tellAll(text) : writeTo(to, text));
      setSent(to === undefined ? 'News is out.' : 'The letter is on its way.');
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
        <span>Your backend says</span>
        <input
          type="text"
          value={text}
          maxLength={200}
          required
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <div class="backend-buttons">
        <button type="submit">News to all</button>
        {people.map(({ name, title }) => (
          <button key={name} type="button" disabled={text === ''} onClick={() => void send(name)}>
            Letter to {title}
          </button>
        ))}
      </div>
      <p class="backend-sent" role="status">
        {sent}
      </p>
    </form>
  );
}
