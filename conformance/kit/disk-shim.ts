import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from './folders.ts';

/** Whether there is a compiler, on a system that the shim supports. */
export const canShim: boolean = process.platform === 'linux' && spawnSync('cc', ['--version']).status === 0;

/** A disk whose failures the test controls: see `disk-shim.c`. */
export interface Disk {
  /** The environment of the process under test. */
  readonly environment: Readonly<Record<string, string>>;
  /** Sets or removes a fault. */
  order(name: 'full' | 'hold' | 'kill-at' | 'journal', content: string | undefined): void;
  /** Whether a sync is delayed at the moment. */
  isHeld(): boolean;
  forgetHeld(): void;
  readonly journal: string;
}

let library: string | undefined;

/** @param root the real path of the folder whose files it controls */
export function shimDisk(root: string): Disk {
  const control = temporaryFolder('shim-control');
  const path = (name: string): string => join(control, name);
  return {
    environment: { LD_PRELOAD: compiled(), DISK_SHIM_ROOT: root, DISK_SHIM_CONTROL: control },
    order(name, content) {
      if (content === undefined) rmSync(path(name), { force: true });
      else writeFileSync(path(name), content);
    },
    isHeld: () => existsSync(path('held')),
    forgetHeld: () => rmSync(path('held'), { force: true }),
    journal: path('journal'),
  };
}

function compiled(): string {
  if (library !== undefined) return library;
  library = join(temporaryFolder('shim'), 'disk-shim.so');
  const source = join(import.meta.dirname, 'disk-shim.c');
  execFileSync('cc', ['-O1', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC', '-o', library, source, '-lpthread']);
  return library;
}
