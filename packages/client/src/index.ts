export { connect } from './connect.ts';
export { PolycastError } from './errors.ts';
export type { Connection, ConnectionEvents, StateChange } from './connection.ts';
export type { TransportName } from './machine/state.ts';
export type { ConnectOptions, CursorStorage, PatienceOptions, Sharing, TabPart, TokenReason } from './options.ts';
export type { Published, PublishOptions } from './publish.ts';
export type { Handler, SubscribeOptions, Subscription } from './subscription.ts';
export { type ErrorCode, type Gap, type GapReason, type PolycastEvent, type Problem } from '@polycast/protocol';
