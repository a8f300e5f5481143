import { PolycastError, SUBPROTOCOL, type ServerMessage } from '@polycast/protocol';
import { hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { checkCredentials } from '../../auth/permission.ts';
import { releaseListeners } from '../../http/sockets/detach-socket.ts';
import type { ErrorSafe } from '../../http/sockets/error-safe-socket.ts';
import { authorizeQuery, createReadRequest, type ReadRequest } from '../read-request.ts';
import type { EventsQueryParser } from '../events-query.ts';
import type { WebSocketParts } from '../stream-parts.ts';
import { listenToBytes } from '../session-socket.ts';
import { WebSocketOperations } from './websocket-operations.ts';
import { asciiTextFrame } from './websocket-frames.ts';
import { WebSocketSession } from './websocket-session.ts';

/**
 * Answers an upgrade of `/v1/events` (PROTOCOL.md section 7): reads the handshake, authorizes the
 * query and starts a session. `http/http-frontend.ts` has checked the host and the origin.
 * @throws PolycastError the refusal, before any byte is written
 */
export async function upgradeToWebSocket(
  parts: WebSocketParts,
  queries: EventsQueryParser,
  request: IncomingMessage,
  socket: ErrorSafe,
  head: Buffer,
): Promise<void> {
  const handshake = readHandshake(request);
  const query = queries.parse(request.url ?? '');
  const principal = await authorizeQuery(parts, request, query);
  const readRequest = await createReadRequest(parts, request, socket, query, principal);
  if (socket.destroyed) return;
  const { interest, address } = readRequest;
  checkCredentials(parts.auth, principal);
  parts.auth.connectionQuota.admit(principal, address);
  parts.presence.checkCapacity(principal, interest.patterns);
  openWebSocket(parts, socket, head, handshake, readRequest, query.types);
}

/** Appended to the client's key (RFC 6455 section 1.3). */
const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
interface Handshake {
  readonly key: string;
  readonly subprotocol: string | undefined;
}

/**
 * Reads an upgrade request.
 * @throws PolycastError `upgrade_required`, `invalid_header`, `unsupported_subprotocol`
 */
function readHandshake({ headers, method }: IncomingMessage): Handshake {
  const key = headers['sec-websocket-key'];
  if (method !== 'GET' || headers.upgrade?.toLowerCase() !== 'websocket')
    throw new PolycastError('invalid_header', 'The hub supports only an upgrade to "websocket".');
  if (headers['sec-websocket-version'] !== '13')
    throw new PolycastError('upgrade_required', 'The hub supports version 13.');
  if (key === undefined || !/^[A-Za-z0-9+/]{22}==$/.test(key))
    throw new PolycastError('invalid_header', 'Sec-WebSocket-Key is missing or not 16 bytes.');
  const offered = headers['sec-websocket-protocol'];
  if (offered === undefined) return { key, subprotocol: undefined };
  if (offered.split(',').some((name) => name.trim() === SUBPROTOCOL)) return { key, subprotocol: SUBPROTOCOL };
  throw new PolycastError('unsupported_subprotocol', `The hub supports ${SUBPROTOCOL}.`);
}

function openWebSocket(
  parts: WebSocketParts,
  socket: ErrorSafe,
  head: Buffer,
  handshake: Handshake,
  readRequest: ReadRequest,
  types: readonly string[] | undefined,
): void {
  const session = new WebSocketSession(parts, socket, readRequest, types, createOperations);
  const { heartbeatMs } = parts.settings;
  socket.setTimeout(0);
  // Node's server has released the socket already. What is left is a listener without effect.
  releaseListeners(socket);
  listenToBytes(socket);
  const ready = { cursor: session.cursor(readRequest.position), session: session.id, heartbeatMs };
  // One write, since each is a system call.
  let opening = handshakeResponse(handshake) + asciiMessage({ op: 'ready', ...ready });
  if (readRequest.gap !== undefined) {
    parts.stats.gaps++;
    opening += asciiMessage({ op: 'gap', ...readRequest.gap });
  }
  session.open(opening);
  session.startIdleTimer();
  if (head.length > 0) session.receive(head);
}

/** A control message whose members are all ASCII. */
function asciiMessage(content: ServerMessage): string {
  return asciiTextFrame(JSON.stringify(content));
}

const createOperations = (parts: WebSocketParts, session: WebSocketSession): WebSocketOperations =>
  new WebSocketOperations(parts, session);

function handshakeResponse({ key, subprotocol }: Handshake): string {
  const accept = hash('sha1', key + ACCEPT_GUID, 'base64');
  const chosen = subprotocol === undefined ? '' : `Sec-WebSocket-Protocol: ${subprotocol}\r\n`;
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${chosen}\r\n`;
}
