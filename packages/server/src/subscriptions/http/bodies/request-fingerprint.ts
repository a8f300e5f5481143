import { createHash } from 'node:crypto';
import { isRecord } from '../../../http/body/body-schema.ts';

/**
 * A SHA-256 hash of a body in base64url. It does not depend on the order of members, nor on the
 * secret.
 */
export function fingerprintOf(body: Readonly<Record<string, unknown>>): string {
  return createHash('sha256').update(canonical(body)).digest('base64url');
}

function canonical(value: unknown, path = ''): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item, `${path}/`)).join(',')}]`;
  if (!isRecord(value)) return JSON.stringify(value);
  const names = Object.keys(value)
    .filter((name) => `${path}/${name}` !== SECRET_PATH)
    .toSorted();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name], `${path}/${name}`)}`).join(',')}}`;
}

const SECRET_PATH = '/delivery/secret';
