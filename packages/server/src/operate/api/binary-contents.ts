import type { Content } from './operation.ts';

/** A body that is the data of an event. */
export const BYTES: Content = {
  mediaType: 'application/octet-stream',
  schema: { type: 'string', format: 'binary' },
  doc: 'The data, as bytes.',
};
export const ANY_DATA: Content = { mediaType: '*/*', schema: {}, doc: 'The data, of any media type.' };
