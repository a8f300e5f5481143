import type { Content } from './operation.ts';

/** Bodies that are an event's data. */
export const BYTES: Content = {
  mediaType: 'application/octet-stream',
  schema: { type: 'string', format: 'binary' },
  doc: 'The data, as bytes.',
};
export const ANY_DATA: Content = { mediaType: '*/*', schema: {}, doc: 'The data, of any media type.' };
