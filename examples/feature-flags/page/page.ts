import { createApp, reactive } from 'vue';
import { Flags, isOn, type Flag } from '../client/flags.ts';
import { syncByStream } from '../client/sync.ts';

/** What the flag service answers; `enabled` is a number in its database. */
interface StoredFlag extends Omit<Flag, 'enabled'> {
  readonly enabled: number;
  readonly admin: string;
}

/** A flag as an admin edits it, from the version that the admin has seen. */
interface Draft {
  readonly name: string;
  enabled: boolean;
  percent: number;
  version: number;
  message: string;
  isRefused: boolean;
}

const SHOP_MS = 500;
const storage = {
  load: () => localStorage.getItem('flags'),
  save: (text: string) => localStorage.setItem('flags', text),
};
/** Flags that are older than the page are no change. */
const startedMs = Date.now();
const flags = new Flags(storage);
const stream = reactive<Client>({ title: 'This browser, by stream', flags: flags.all, delayMs: undefined });
const blocking = reactive<Client>({ title: 'A server, by blocking query', flags: [], delayMs: undefined });
const polling = reactive<Client>({ title: 'A server, by conditional poll', flags: [], delayMs: undefined });

interface Client {
  readonly title: string;
  flags: Flag[];
  delayMs: number | undefined;
}

flags.onChange = ({ changedMs }) => {
  stream.flags = flags.all;
  if (changedMs > startedMs) stream.delayMs = Date.now() - changedMs;
};
syncByStream(location.origin, flags);
setInterval(() => void askShop().catch(() => undefined), SHOP_MS);

const state = reactive({ admin: 'Ada', drafts: [] as Draft[], clients: [stream, blocking, polling] });
createApp({ setup: () => Object.assign(state, { save, isOn }) }).mount('#app');
const stored = (await (await fetch('/api/flags')).json()) as StoredFlag[];
state.drafts = stored.map((flag) => ({ ...draftOf(flag), name: flag.name, isRefused: false }));

async function save(draft: Draft): Promise<void> {
  const { name, enabled, percent, version } = draft;
  const answer = await fetch(`/api/flags/${name}`, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json', 'If-Match': `"${version}"` },
    body: JSON.stringify({ enabled, percent, admin: state.admin }),
  });
  if (!answer.ok && answer.status !== 412) {
    draft.message = 'Not saved: the flag service does not answer. Please try again.';
    draft.isRefused = true;
    return;
  }
  const flag = (await answer.json()) as StoredFlag;
  Object.assign(draft, draftOf(flag), { isRefused: answer.status === 412 });
  if (draft.isRefused) draft.message = `Not saved: ${flag.admin} has changed it meanwhile, to what you see now.`;
}

function draftOf({ enabled, percent, version, admin }: StoredFlag): Omit<Draft, 'name' | 'isRefused'> {
  return { enabled: enabled === 1, percent, version, message: `Version ${version}, by ${admin}.` };
}

async function askShop(): Promise<void> {
  const answer = await fetch('/api/shop?user=user-1');
  if (!answer.ok) return;
  const shop = (await answer.json()) as {
    blocking: Flag[];
    polling: Flag[];
    delaysMs: { blocking?: number; polling?: number };
  };
  Object.assign(blocking, { flags: shop.blocking, delayMs: shop.delaysMs.blocking });
  Object.assign(polling, { flags: shop.polling, delayMs: shop.delaysMs.polling });
}
