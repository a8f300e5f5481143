export { PolycastError } from './errors.ts';
export type { Published } from './connection/publish.ts';
export {
  createPublisher,
  type ServerEvent,
  type ServerPublisher,
  type ServerPublisherOptions,
  type ServerPublishOptions,
  type ServerPublishResult,
} from './server/publisher.ts';
export { signToken, type TokenSigner, type TokenSubject } from './server/sign-token.ts';
