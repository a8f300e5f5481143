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
}

const PLACES = {
  sqlite: {
    form: 'path of a folder',
    doc: 'The folder for the log and all other data.',
    isFolder: true,
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
