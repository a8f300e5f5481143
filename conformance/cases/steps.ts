import type { ErrorCode } from '@polycast/protocol';
import { ERRORS } from '@polycast/protocol';
import type { Exchange } from '../suite/case.ts';

/** A publish that is accepted, with a name for its id, or one that is refused. */
export function publish(
  body: object | string,
  code?: ErrorCode,
  captureAs?: string,
  headers: Readonly<Record<string, string>> = {},
): Exchange {
  const cursor = captureAs === undefined ? '<cursor>' : `<cursor:${captureAs}>`;
  const json = typeof body === 'string' ? { 'Content-Type': 'application/json' } : {};
  return {
    request: 'POST /v1/events',
    headers: { ...json, ...headers },
    body,
    answer:
      code === undefined ? { status: 201, json: { id: cursor, channel: '<any>', time: '<time>' } } : refusal(code),
  };
}

/** A body that is the data. */
export function publishData(
  channel: string,
  mediaType: string,
  body: string | Uint8Array,
  captureAs?: string,
  headers: Readonly<Record<string, string>> = {},
): Exchange {
  return {
    request: `POST /v1/channels/${channel}/events`,
    headers: { 'Content-Type': mediaType, ...headers },
    body,
    answer: {
      status: 201,
      json: { id: captureAs === undefined ? '<cursor>' : `<cursor:${captureAs}>`, channel, time: '<time>' },
    },
  };
}

export function refusedRead(query: string, code: ErrorCode): Exchange {
  return { request: `GET /v1/events?${query}`, answer: refusal(code) };
}

/** All stored events of a channel, as the body of a poll's answer, byte for byte. */
export function allEvents(channel: string, events: string, headers: Readonly<Record<string, string>> = {}): Exchange {
  return {
    request: `GET /v1/events?channel=${channel}&after=earliest`,
    headers,
    answer: { status: 200, text: `{"events":[${events}],"cursor":"<cursor>","gaps":[]}` },
  };
}

export function refusal(code: ErrorCode): Exchange['answer'] {
  return { status: ERRORS[code].status, code };
}

/** The result of an item that has failed. */
export function problemOf(code: string, status: number, extraMembers: object = {}): object {
  return { error: { type: '<any>', title: '<any>', status, code, retryable: false, ...extraMembers } };
}
