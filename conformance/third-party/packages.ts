import { join } from 'node:path';
import { install, type Installed, type Recipe } from '../kit/registries.ts';

/** How the programs beside this file are installed, by registry, and started. */
export type Language = 'npm' | 'python' | 'go' | 'java';

/**
 * `events CLIENT URL` reads event streams, `sockets CLIENT URL` a WebSocket, `verify` webhooks,
 * `cloudevents URL` publishes; see the programs in each folder.
 */
export type Job = 'events' | 'sockets' | 'verify' | 'cloudevents';

export interface Program {
  /** A hash of the programs and their packages. */
  readonly folder: string;
  readonly missing: string | undefined;
}

const MAVEN_COPY = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';

const RECIPES: Readonly<Record<Language, Omit<Recipe, 'folder'>>> = {
  npm: {
    toolchain: [['npm', '--version']],
    steps: [['npm', 'install', '--no-audit', '--no-fund', '--no-package-lock', '--omit=peer', '--loglevel=error']],
  },
  python: {
    toolchain: [['python3', '--version']],
    steps: [
      ['python3', '-m', 'venv', 'venv'],
      ['venv/bin/python', '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', 'requirements.txt'],
    ],
  },
  go: { toolchain: [['go', 'version']], steps: [['go', 'build', '-o', 'third-party', '.']] },
  java: {
    toolchain: [
      ['mvn', '--version'],
      ['javac', '-version'],
    ],
    steps: [
      ['mvn', '--quiet', '--batch-mode', MAVEN_COPY, '-DoutputDirectory=jars'],
      ['javac', '-cp', 'jars/*', '-d', 'classes', 'Events.java', 'Sockets.java', 'Verify.java'],
    ],
  },
};

/** All at the same time, because an installation mostly waits for its registry. */
export async function installAll(into: Map<Language, Program>, languages: readonly Language[]): Promise<void> {
  await Promise.all(languages.map(async (language) => into.set(language, await packagesOf(language))));
}

/** @param folder of its programs, if it is not named after the language */
export async function packagesOf(language: Language, folder: string = language): Promise<Program> {
  const installed: Installed = await install({ folder: join(import.meta.dirname, folder), ...RECIPES[language] });
  return 'missing' in installed ? { folder: '', ...installed } : { ...installed, missing: undefined };
}

export function commandOf(
  language: Language,
  { folder }: Program,
  job: Job,
  args: readonly string[],
): readonly string[] {
  const className = `${job.slice(0, 1).toUpperCase()}${job.slice(1)}`;
  const commands: Readonly<Record<Language, readonly string[]>> = {
    npm: [process.execPath, join(folder, `${job}.js`)],
    python: [join(folder, 'venv/bin/python'), join(folder, `${job}.py`)],
    go: [join(folder, 'third-party'), job],
    java: ['java', '-XX:TieredStopAtLevel=1', '-Xmx128m', '-cp', `${folder}/classes:${folder}/jars/*`, className],
  };
  return [...commands[language], ...args];
}
