import type { Case } from '../suite/case.ts';
import { readTranscripts } from '../suite/transcripts.ts';
import { CHANNELS } from './channels.ts';
import { CLOUDEVENTS } from './cloudevents.ts';
import { NAMES } from './names.ts';
import { PUBLISHING } from './publishing.ts';
import { PULLING } from './pulling.ts';
import { READING } from './reading.ts';
import { REFUSALS } from './refusals.ts';
import { SOCKETS } from './sockets.ts';

export const CASES: readonly Case[] = [
  ...NAMES,
  ...READING,
  ...SOCKETS,
  ...PUBLISHING,
  ...CLOUDEVENTS,
  ...REFUSALS,
  ...CHANNELS,
  ...PULLING,
  ...readTranscripts(),
];
