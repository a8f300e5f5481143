export { connect } from './connection/connect.ts';
export { PolycastError } from './errors.ts';
export type { TokenReason } from './http.ts';
export type { Connection, ConnectionEvents, StateChange } from './connection/interface.ts';
export type { TransportName } from './machine/state.ts';
export type { ConnectOptions, CursorStorage, TimingOptions, TabSharing, TabSession } from './connection/options.ts';
export type { Published, PublishOptions } from './connection/publish.ts';
export type { Handler, SubscribeOptions, Subscription } from './connection/subscription.ts';
export { type ErrorCode, type Gap, type GapReason, type PolycastEvent, type Problem } from '@polycast/protocol';
