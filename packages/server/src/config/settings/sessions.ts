import { choiceField, integerField } from '../../settings/field.ts';

/** The settings of `sessions`: the journal of sessions (PROTOCOL.md section 13.10). */
export const sessions = {
  journalEntriesMax: integerField(
    { unit: 'sessions', min: 0, max: 10_000_000, default: 100_000 },
    {
      doc: 'The maximum number of sessions in the session journal. The oldest are removed first, up to an eighth of them at once. 0: the hub records no sessions and has no file for them; `GET /v1/explain` then knows only those that are live. With `data: :memory:` the journal has at most 10,000.',
      why: 'About 30 MB on the disk. A thousand users who reconnect ten times a day fill it in ten days.',
    },
  ),
  journalMaxAgeSeconds: integerField(
    { unit: 'seconds', min: 60, max: 3650 * 86_400, default: 7 * 86_400 },
    {
      doc: 'How long the journal stores a session after its opening. The hub removes it after this time, an eighth of it later at the latest.',
      why: 'A question about a missed event comes within days, and the journal has personal data.',
    },
  ),
  journalAddresses: choiceField(['full', 'truncated', 'none'], 'full', {
    doc: "How the journal stores clients' addresses. `truncated`: only the network, `203.0.113.0` or `2001:db8:1::`. `none`: no address. Live sessions always show the full address.",
    why: 'An address tells two devices of a user apart. Use `truncated` where the law asks for it.',
  }),
};
