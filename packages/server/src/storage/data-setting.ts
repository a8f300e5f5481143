/**
 * A place where data can live, as the setting `data` names it. Example: `:memory:`. The
 * configuration reads this file, so it imports no home: `homes.ts` has the homes themselves.
 */
interface DataPlace {
  /** The form of the setting. */
  readonly form: string;
  /** The effect of such a value, in whole sentences. */
  readonly doc: string;
  /** Whether a value has that form. Absent: every value that no other place accepts. */
  readonly accepts?: (data: string) => boolean;
  /** The data lives in a folder of this machine, and the setting is its path. */
  readonly isFolder: boolean;
  /** Starts what takes long to start. It is called before the hub's modules are loaded. */
  readonly prepare?: () => Promise<void>;
  /** Tells another process that finds the data in use where the hub is. */
  readonly noteAddress?: (data: string, url: string) => Promise<void>;
}

const PLACES = {
  sqlite: {
    form: 'path of a folder',
    doc: 'The folder for the log and all other data.',
    isFolder: true,
    prepare: async () => (await import('./sqlite/thread.ts')).prepareThread('log-writer'),
    noteAddress: async (data, url) => (await import('./sqlite/data-folder.ts')).noteAddress(data, url),
  },
  memory: {
    form: '`:memory:`',
    doc: '`:memory:` stores nothing across restarts.',
    accepts: (data) => data === ':memory:',
    isFolder: false,
  },
} satisfies Readonly<Record<string, DataPlace>>;

/** The name of a home. Each has its place above, and its object in `homes.ts`. */
export type HomeName = keyof typeof PLACES;

const ENTRIES = Object.entries(PLACES) as readonly (readonly [HomeName, DataPlace])[];

/** The text of the reference about the setting `data`. */
export const DATA_FORM: string = ENTRIES.map(([, { form }]) => form).join(' or ');
export const DATA_DOC: string = ENTRIES.map(([, { doc }]) => doc).join(' ');

/** The name of the home that the setting `data` chooses. */
export function homeNameOf(data: string): HomeName {
  return ENTRIES.find(([, { accepts }]) => accepts?.(data) === true)?.[0] ?? 'sqlite';
}

/** The folder that the setting `data` names; `undefined` for `:memory:`. */
export function dataFolderOf(data: string): string | undefined {
  return PLACES[homeNameOf(data)].isFolder ? data : undefined;
}

/** Starts the thread that opens the log of `data`. Call it before the hub's modules are loaded. */
export async function prepareStorage(data: string): Promise<void> {
  const { prepare }: DataPlace = PLACES[homeNameOf(data)];
  await prepare?.();
}

/** Notes the address of the hub that has `data` open, for the error of another one. */
export async function noteAddress(data: string, url: string): Promise<void> {
  const place: DataPlace = PLACES[homeNameOf(data)];
  await place.noteAddress?.(data, url);
}
