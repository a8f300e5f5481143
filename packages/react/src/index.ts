export { PolycastProvider, type PolycastProviderProps } from './provider.ts';
export { useChannel, type Channel, type ChannelOptions } from './use-channel.ts';
export { useConnection, type ConnectionStatus } from './use-connection.ts';
export { useLatest, type Latest } from './use-latest.ts';
export { usePresence, type PresenceState } from './use-presence.ts';
