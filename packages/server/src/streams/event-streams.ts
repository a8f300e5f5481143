import type { EventStreamName } from '@polycast/protocol';
import { ndjson } from './ndjson.ts';
import { serverSentEvents } from './sse.ts';
import type { EventStream } from './text-stream.ts';

/**
 * The event streams of `GET /v1/events`, which a client chooses by `Accept`. A further one is a
 * name in `packages/protocol/src/transports.ts`, a file beside this one, and a line here. The
 * OpenAPI and AsyncAPI documents and the reference follow from its description.
 */
export const EVENT_STREAMS: Readonly<Record<EventStreamName, EventStream>> = { sse: serverSentEvents, ndjson };
