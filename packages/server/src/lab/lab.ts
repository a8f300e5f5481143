import type { IncomingMessage, ServerResponse } from 'node:http';
import { PolycastError } from '@polycast/protocol';
import { HUB_ACTIONS, LANES, nowMs, PEOPLE, RECEIVER_FAULTS, WIRE_FAULTS } from './records.ts';
import type { HubAction, HubChange, LabConfig, LaneName, WireRecord } from './records.ts';
import type { LabLogin } from './login.ts';
import { answerJson, answerProblem, assertOwnPage } from './answers.ts';
import { Receiver } from './receiver.ts';
import { StaticFiles } from '../platform/static-files.ts';
import { FAULT_DURATION_MS_MAX, Wire } from './wire.ts';
import { WireLog } from './wire-log.ts';

export interface LabOptions {
  /**
   * The hub's port on 127.0.0.1. It is read for each connection, so that the hub may open after the
   * Lab.
   */
  readonly hubPort: () => number;
  /** `undefined`: the Lab has no login. */
  readonly login?: LabLogin | undefined;
  /** The folder of the built pages. */
  readonly folder: string;
  /** The actions on the hub that the page offers. It shows one button for each. */
  readonly actions: LabActions;
}

/**
 * `restart` closes the hub, and opens it again on the same port and data folder. `wipe` also
 * empties the data folder in between. In a cluster, the others end a process and start it again.
 * Each resolves when everything works again.
 */
export type LabActions = Readonly<Partial<Record<HubAction, () => Promise<void>>>>;

/**
 * The server side of the Transport Lab: its wires, and the routes for its page. A wire is a TCP
 * proxy that can fail; each transport has one, and the webhook has one.
 *
 * The Lab survives a restart of the hub. The wires and the page's view of them stay open.
 */
export interface Lab {
  readonly lanes: LabConfig['lanes'];
  /**
   * Handles requests below `/lab` and returns true. Returns false for any other request, and leaves
   * it untouched.
   */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
  /** Closes the wires and all connections through them. A second call does nothing more. */
  close(): Promise<void>;
}

const FAULT_DURATION_MS_DEFAULT = 3000;

export async function createLab(options: LabOptions): Promise<Lab> {
  const log = new WireLog();
  const wires = new Map<LaneName, Wire>();
  const onRecord = (record: WireRecord): void => log.append(record);
  const receiver = await Receiver.open(onRecord);
  // On the webhook's wire the hub is the client, and the receiver is the server.
  const portOf = (lane: LaneName): (() => number) => (lane === 'webhook' ? () => receiver.port : options.hubPort);
  for (const lane of LANES) wires.set(lane, await Wire.open(lane, portOf(lane), onRecord));
  const lanes = [...wires].map(([name, wire]) => ({ name, port: wire.port }));
  const state: LabState = {
    options,
    log,
    wires,
    receiver,
    config: {
      lanes,
      actions: HUB_ACTIONS.filter((name) => options.actions[name] !== undefined),
      secret: receiver.secret,
      people: options.login === undefined ? [] : PEOPLE,
    },
    pages: new StaticFiles(options.folder),
    busy: new Set(),
  };
  let closed: Promise<void> | undefined;
  return {
    lanes,
    handle(request, response) {
      const [path = ''] = (request.url ?? '').split('?', 1);
      if (path !== '/lab' && !path.startsWith('/lab/')) return false;
      route(state, request, response, path).catch((error: unknown) => answerProblem(response, error));
      return true;
    },
    close() {
      closed ??= closeAll(state);
      return closed;
    },
  };
}

async function closeAll({ log, wires, receiver }: LabState): Promise<void> {
  log.close();
  await Promise.all([...wires.values(), receiver].map((each) => each.close()));
}

interface LabState {
  readonly options: LabOptions;
  readonly log: WireLog;
  readonly wires: ReadonlyMap<LaneName, Wire>;
  readonly receiver: Receiver;
  readonly config: LabConfig;
  readonly pages: StaticFiles;
  /** The actions that have begun and not ended. */
  readonly busy: Set<HubAction>;
}

async function route(state: LabState, request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
  assertOwnPage(request);
  if (!path.startsWith('/lab/api/')) return servePage(state, request, response, path);
  const [name = '', ...rest] = path.slice('/lab/api/'.length).split('/');
  if (name === 'config') return requireGet(request, () => answerJson(response, 200, state.config));
  if (name === 'clock') return requireGet(request, () => answerJson(response, 200, { nowMs: nowMs() }));
  if (name === 'wire') return requireGet(request, () => watchWire(state, request, response));
  if (request.method !== 'POST')
    throw new PolycastError(['lanes', 'hub', 'login'].includes(name) ? 'method_not_allowed' : 'not_found');
  // Another site's form can post text without a CORS preflight, but not JSON.
  if (request.headers['content-type'] !== 'application/json')
    throw new PolycastError('unsupported_media_type', 'Send application/json.');
  const { login } = state.options;
  if (name === 'login' && login !== undefined) return answerJson(response, 200, await login.login(request, nowMs()));
  request.resume();
  if (name === 'lanes') injectFault(state, rest[0], rest[1], request.url ?? '');
  else if (name === 'hub') changeHub(state, rest[0]);
  else throw new PolycastError('not_found');
  // The hub may close soon, and a keep-alive connection would delay that.
  response.setHeader('connection', 'close');
  response.writeHead(204).end();
}

async function servePage(
  state: LabState,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') throw new PolycastError('method_not_allowed');
  const isPage = path === '/lab' || path === '/lab/';
  const headers: Record<string, string> = isPage
    ? { 'content-security-policy': contentSecurityPolicy(state.config.lanes, request.headers.host ?? '') }
    : {};
  if (await state.pages.serve(request, response, isPage ? '/lab/index.html' : path, headers)) return;
  throw new PolycastError('not_found', isPage ? 'The Lab has not been built: run `npm run build`.' : undefined);
}

/**
 * Returns the page's policy: its own files, no inline script or style, and connections to the hub
 * and the lanes' ports only.
 * @param host the hub's host, a checked loopback name; some browsers do not apply `'self'` to
 * WebSockets
 */
function contentSecurityPolicy(lanes: LabConfig['lanes'], host: string): string {
  const browsers = lanes.filter(({ name }) => name !== 'webhook');
  const wires = browsers
    .map(({ name, port }) => `${name === 'websocket' ? 'ws' : 'http'}://127.0.0.1:${port}`)
    .join(' ');
  return `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' ws://${host} ${wires}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
}

function watchWire(state: LabState, request: IncomingMessage, response: ServerResponse): void {
  const after = request.headers['last-event-id'] ?? new URLSearchParams(request.url?.split('?')[1]).get('after');
  const last = after ? Number(after) : Number.NaN;
  if (!state.log.watch(response, Number.isSafeInteger(last) ? last : undefined))
    throw new PolycastError('overloaded', 'Too many pages show the network traffic.');
}

/** `/lab/api/lanes/{lane or all}/{fault}?for=<ms>`. `for=0` ends the fault. */
function injectFault(state: LabState, lane: string | undefined, fault: string | undefined, url: string): void {
  const durationMs = Number(new URLSearchParams(url.split('?')[1]).get('for') ?? FAULT_DURATION_MS_DEFAULT);
  if (!(durationMs >= 0 && durationMs <= FAULT_DURATION_MS_MAX))
    throw new PolycastError('invalid_parameter', `for is 0 to ${FAULT_DURATION_MS_MAX} milliseconds.`);
  const wires = [...state.wires.values()].filter((wire) => lane === 'all' || lane === wire.lane);
  if (isOneOf(WIRE_FAULTS, fault) && wires.length > 0) for (const wire of wires) applyFault(wire, fault, durationMs);
  else if (isOneOf(RECEIVER_FAULTS, fault) && lane === 'webhook') applyFault(state.receiver, fault, durationMs);
  else throw new PolycastError('not_found');
}

function applyFault<Fault>(
  target: { heal(fault: Fault): void; breakFor(fault: Fault, durationMs: number): void },
  fault: Fault,
  durationMs: number,
): void {
  if (durationMs === 0) target.heal(fault);
  else target.breakFor(fault, durationMs);
}

function changeHub(state: LabState, action: string | undefined): void {
  const change = isOneOf(HUB_ACTIONS, action) ? state.options.actions[action] : undefined;
  if (change === undefined || !isOneOf(HUB_ACTIONS, action)) throw new PolycastError('not_found');
  // A hub in a cluster and a broker may be away at the same time, but a hub alone does one thing.
  if (state.busy.has(action) || (state.busy.size > 0 && (action === 'restart' || action === 'wipe')))
    throw new PolycastError('overloaded', 'The hub is already restarting.');
  state.busy.add(action);
  recordHubChange(state, action, 'begins');
  // Wait until the answer to this request has been sent: the hub that closes also carries the
  // answer.
  setTimeout(async () => {
    try {
      await change();
      recordHubChange(state, action, 'back');
    } catch {
      recordHubChange(state, action, 'failed');
    } finally {
      state.busy.delete(action);
    }
  }, 20);
}

function recordHubChange({ log }: LabState, action: HubAction, change: HubChange): void {
  log.append({ kind: 'hub', action, change, atMs: nowMs() });
}

function requireGet(request: IncomingMessage, respond: () => void): void {
  if (request.method !== 'GET') throw new PolycastError('method_not_allowed');
  respond();
}

function isOneOf<Name extends string>(names: readonly Name[], name: string | undefined): name is Name {
  return (names as readonly (string | undefined)[]).includes(name);
}
