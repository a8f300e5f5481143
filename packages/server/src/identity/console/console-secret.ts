import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The file of the secret that signs console logins. Only the user of the hub can read it. */
const FILE = 'console.key';
const SECRET_BYTES = 32;

/**
 * The secret that signs console logins. All processes on a data folder share it, and logins survive
 * a restart.
 * @param folder the data folder; `undefined` for data in memory
 * @param isOwner whether this process owns the folder. The others read the file when there is one.
 */
export function consoleSecret(folder: string | undefined, isOwner = true): () => Uint8Array {
  let secret: Uint8Array | undefined;
  return () => {
    if (secret !== undefined) return secret;
    if (!isOwner && folder !== undefined) return (secret = readSecret(join(folder, FILE))) ?? randomBytes(SECRET_BYTES);
    return (secret = folder === undefined ? randomBytes(SECRET_BYTES) : readOrCreate(join(folder, FILE)));
  };
}

/** `undefined` while no process has created it: there is no login yet. */
function readSecret(path: string): Uint8Array | undefined {
  const secret = existsSync(path) ? readFileSync(path) : NO_SECRET;
  return secret.length === SECRET_BYTES ? secret : undefined;
}

const NO_SECRET = new Uint8Array();

function readOrCreate(path: string): Uint8Array {
  try {
    writeFileSync(path, randomBytes(SECRET_BYTES), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const secret = readFileSync(path);
  if (secret.length === SECRET_BYTES) return secret;
  // A crash between the creation and the write left it empty.
  writeFileSync(path, randomBytes(SECRET_BYTES), { mode: 0o600 });
  return readFileSync(path);
}
