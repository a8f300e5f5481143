import { JSON_DOCUMENT, type Command, type Input } from '../../command.ts';
import { HUB_ADDRESS_OPTIONS, hubAddress } from '../../hub-address.ts';
import { requestHub } from '../../hub-request.ts';

/** The members of the answer that the command prints (PROTOCOL.md section 13.12). */
interface ExplanationAnswer {
  readonly outcome: keyof typeof OUTCOME_STYLES;
  readonly sentence: string;
  readonly steps: readonly {
    readonly verdict: keyof typeof MARKS;
    readonly time: string | null;
    readonly text: string;
  }[];
}

const READERS = ['user', 'session', 'subscription', 'channel'] as const;
const OUTCOME_STYLES = { delivered: 'green', pending: 'yellow', missed: 'red', unknown: 'yellow' } as const;
const MARKS = { passed: '+', stopped: 'x', pending: '.', unknown: '?' } as const;

export const why: Command = {
  name: 'why',
  summary: 'Explains why an event reached a reader, or did not.',
  usage: '<event>',
  required: { options: READERS },
  argumentsMin: 1,
  argumentsMax: 1,
  details:
    'Names the reader by one of --user, --session, --subscription and --channel. Each step has a mark: + the event went on, x it ended here, . not yet, ? not known. The last line is the conclusion. Times are in UTC. The key needs the scope admin. Exits with 0 if the event was delivered, and with 1 if not.',
  options: {
    ...HUB_ADDRESS_OPTIONS,
    user: { value: 'USER', doc: 'A user: all sessions and polls of this user.' },
    session: { value: 'SESSION', doc: 'One session, live or ended.' },
    subscription: { value: 'ID', doc: 'A webhook or a pull subscription.' },
    channel: {
      value: 'CHANNEL',
      doc: 'Whether the event went to this channel. Beside another reader: the channel of an event that may be gone.',
    },
    claims: { value: 'JSON', doc: `The claims of a user who is not connected: '{"role":"editor"}'.` },
    json: JSON_DOCUMENT,
  },
  examples: [
    { command: 'polycast why 0t24qj92dx-00000000010 --user ann', description: 'why ann got it, or did not' },
    {
      command: 'polycast why 0t24qj92dx-00000000010 --subscription sub_0123456789abcdef',
      description: 'the same for a webhook',
    },
  ],
  async run(input, { out, style }) {
    const query = queryOf(input);
    const answer = (await requestHub(hubAddress(input), 'GET', `/v1/explain?${query.toString()}`)) as ExplanationAnswer;
    if (input.flag('json')) out(JSON.stringify(answer));
    else {
      for (const { verdict, text } of answer.steps) out(`${MARKS[verdict]} ${text}`);
      out(style(OUTCOME_STYLES[answer.outcome], `${answer.outcome}: ${answer.sentence}`));
    }
    return answer.outcome === 'delivered' ? 'done' : 'failed';
  },
};

function queryOf(input: Input): URLSearchParams {
  const [event = ''] = input.arguments;
  const given = READERS.filter((name) => input.text(name) !== undefined);
  const query = new URLSearchParams({ event });
  for (const name of [...given, 'claims'] as const) {
    const value = input.text(name);
    if (value !== undefined) query.set(name, value);
  }
  return query;
}
