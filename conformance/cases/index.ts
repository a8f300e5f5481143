import type { Case } from '../suite/case.ts';
import { readTranscripts } from '../suite/transcripts.ts';
import { NAMES } from './names.ts';
import { PUBLISHING } from './publishing.ts';
import { PULLING } from './pulling.ts';
import { READING } from './reading.ts';
import { SOCKETS } from './sockets.ts';

export const CASES: readonly Case[] = [
  ...NAMES,
  ...READING,
  ...SOCKETS,
  ...PUBLISHING,
  ...PULLING,
  ...readTranscripts(),
];
