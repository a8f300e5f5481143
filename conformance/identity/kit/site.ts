import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { atExit } from '../../kit/at-exit.ts';

/** The cookie of the site's own sessions. */
export const SESSION_COOKIE = 'site_session';

/** A site with two users, and a cookie for which it fails. */
export interface Site {
  readonly loginUrl: string;
  readonly consentUrl: string;
}

const USERS: Readonly<Record<string, string>> = { seven: '7', eight: '8' };

/** The user of a session, and permissions of users on channels (PROTOCOL.md section 13.3). */
export async function startSite(): Promise<Site> {
  const server = createServer(async (request, response) => {
    const siteRequest = JSON.parse(await bodyOf(request)) as SiteRequest;
    const answer = request.url === '/login' ? login(siteRequest) : consent(siteRequest);
    const status = answer === undefined ? 500 : 200;
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atExit(() => server.close().closeAllConnections());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { loginUrl: `${url}/login`, consentUrl: `${url}/consent` };
}

interface SiteRequest {
  readonly cookies?: Readonly<Record<string, string>>;
  readonly user?: string | null;
  readonly channel?: string;
}

function login({ cookies = {} }: SiteRequest): object | undefined {
  const session = cookies[SESSION_COOKIE] ?? '';
  return session === 'outage' ? undefined : { user: USERS[session] ?? null, ttlSeconds: 600 };
}

/** `asked.7` belongs to user 7. */
function consent({ user, channel = '' }: SiteRequest): object | undefined {
  if (channel === 'asked.outage') return undefined;
  return { allowed: channel.split('.')[1] === user, ttlSeconds: 600 };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  request.setEncoding('utf8');
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}
