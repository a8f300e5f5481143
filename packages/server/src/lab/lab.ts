import type { IncomingMessage, ServerResponse } from 'node:http';
import { PolycastError } from '@polycast/protocol';
import { LANES, nowMs, PEOPLE, RECEIVER_FAULTS, WIRE_FAULTS } from './records.ts';
import type { LabConfig, LaneName, WireRecord } from './records.ts';
import type { LabLogin } from './login.ts';
import { answerJson, answerProblem, assertOwnPage } from './answers.ts';
import { Receiver } from './receiver.ts';
import { StaticFiles } from './static.ts';
import { FAULT_DURATION_MS_MAX, Wire } from './wire.ts';
import { WireLog } from './wire-log.ts';

export interface LabOptions {
  /** The hub's port on 127.0.0.1; asked anew for each connection, so that the hub may be opened after the Lab. */
  readonly hubPort: () => number;
  /** Where there is none, nobody can log in. */
  readonly login?: LabLogin | undefined;
  /** Where the built pages are. */
  readonly folder: string;
  /** What the page may do to the hub. A button is shown for each that is given. */
  readonly actions: LabActions;
}

export interface LabActions {
  /** Closes the hub and opens it again on the same port and folder. */
  readonly restartHub?: () => Promise<void>;
  /** The same, with an empty folder in between. */
  readonly wipeLog?: () => Promise<void>;
}

/**
 * The Transport Lab's server side. It outlives the hub: a restart of the hub closes neither the wires nor the page's
 * view of them.
 */
export interface Lab {
  readonly lanes: LabConfig['lanes'];
  /** Answers what is below `/lab` and returns true; returns false, and touches nothing, for any other request. */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
  /** Closes the wires and all that is open through them; a second time does nothing more. */
  close(): Promise<void>;
}

const FAULT_DURATION_MS_DEFAULT = 3000;

export async function createLab(options: LabOptions): Promise<Lab> {
  const log = new WireLog();
  const wires = new Map<LaneName, Wire>();
  const onRecord = (record: WireRecord): void => log.append(record);
  const receiver = await Receiver.open(onRecord);
  // The webhook's is the one on which the hub asks and another answers.
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
      actions: actionNames(options.actions),
      secret: receiver.secret,
      people: options.login === undefined ? [] : PEOPLE,
    },
    pages: new StaticFiles(options.folder),
    isHubBusy: false,
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
  /** Whether the hub is being restarted or wiped. */
  isHubBusy: boolean;
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
  // A form of another site can post text, but not JSON, without being asked for permission first.
  if (request.headers['content-type'] !== 'application/json')
    throw new PolycastError('unsupported_media_type', 'Post application/json.');
  const { login } = state.options;
  if (name === 'login' && login !== undefined) return answerJson(response, 200, await login.login(request, nowMs()));
  request.resume();
  if (name === 'lanes') injectFault(state, rest[0], rest[1], request.url ?? '');
  else if (name === 'hub') changeHub(state, rest[0]);
  else throw new PolycastError('not_found');
  // The hub may be closed in a moment, and a connection that is kept alive would hold that up.
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
 * Only the page's own files, no inline script or style, and no address but the hub and the lanes' ports.
 * @param host the hub's, known to be a loopback name: not every browser takes `'self'` for its WebSockets as well
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
    throw new PolycastError('overloaded', 'Too many pages watch the wire.');
}

/** `/lab/api/lanes/{lane or all}/{fault}?for=<ms>`; `for=0` heals. */
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
  const { restartHub, wipeLog } = state.options.actions;
  const change = action === 'restart' ? restartHub : action === 'wipe' ? wipeLog : undefined;
  if (change === undefined) throw new PolycastError('not_found');
  if (state.isHubBusy) throw new PolycastError('overloaded', 'The hub is being restarted already.');
  state.isHubBusy = true;
  recordHubChange(state, action === 'restart' ? 'restarting' : 'wiping');
  // Once the answer to this request has left: the hub that is to be closed is the one that carries it.
  setTimeout(async () => {
    try {
      await change();
      recordHubChange(state, 'back');
    } catch {
      recordHubChange(state, 'failed');
    } finally {
      state.isHubBusy = false;
    }
  }, 20);
}

function recordHubChange(state: LabState, change: (WireRecord & { kind: 'hub' })['change']): void {
  state.log.append({ kind: 'hub', change, atMs: nowMs() });
}

function requireGet(request: IncomingMessage, respond: () => void): void {
  if (request.method !== 'GET') throw new PolycastError('method_not_allowed');
  respond();
}

function isOneOf<Name extends string>(names: readonly Name[], name: string | undefined): name is Name {
  return (names as readonly (string | undefined)[]).includes(name);
}

function actionNames(actions: LabActions): LabConfig['actions'] {
  const names: ('restart' | 'wipe')[] = [];
  if (actions.restartHub !== undefined) names.push('restart');
  if (actions.wipeLog !== undefined) names.push('wipe');
  return names;
}
