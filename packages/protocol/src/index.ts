export * from './channel.ts';
export * from './close-codes.ts';
export * from './cursor.ts';
export * from './errors.ts';
export * from './event.ts';
export * from './messages.ts';
