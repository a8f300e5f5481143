import { ANONYMOUS } from '../../core/access/principal.ts';
import { decodeJson, encodeJson, type MessageHandler, type ProcessChannel } from '../../processes/process-channel.ts';
import type { OpenPulls, PullingSession, SocketPulls } from '../../streams/socket-pulls.ts';
import type { ForwardedMessage, ForwardedOperation, ForwardedResult } from './forwarded-pulls.ts';

/** The link of a follower, or of another hub. */
export interface HostedLink {
  readonly channel: ProcessChannel;
}

/** The links of all of them. */
export interface HostedLinks<Link extends HostedLink> {
  on(name: string, handler: (link: Link, body: Buffer) => ReturnType<MessageHandler>): void;
  onClosed(listener: (link: Link) => void): void;
}

interface HostedPullParts<Link extends HostedLink> {
  readonly followers: HostedLinks<Link>;
  readonly openPulls: OpenPulls;
  /** A follower's session, as the owner knows it. */
  readonly findSession: (link: Link, id: string) => Pick<PullingSession, 'principal' | 'whenKnown'> | undefined;
}

/** Runs the pulls of the followers' WebSockets at the owner (`forwarded-pulls.ts`). */
export function hostPulls<Link extends HostedLink>({ followers, openPulls, findSession }: HostedPullParts<Link>): void {
  const byLink = new Map<Link, Map<string, SocketPulls>>();
  const pullsOf = (link: Link, id: string): SocketPulls => {
    let ofLink = byLink.get(link);
    if (ofLink === undefined) byLink.set(link, (ofLink = new Map()));
    let pulls = ofLink.get(id);
    if (pulls === undefined) {
      const isPulling = (): boolean => ofLink.get(id)?.isPulling === true;
      pulls = openPulls(hostedSession(link, id, findSession, isPulling));
      ofLink.set(id, pulls);
    }
    return pulls;
  };
  const close = (link: Link, id: string): void => {
    byLink.get(link)?.get(id)?.close();
    byLink.get(link)?.delete(id);
  };
  followers.on('pull', async (link, body) => {
    const { session, operation } = decodeJson<ForwardedOperation>(body);
    const pulls = pullsOf(link, session);
    const result = await pulls.run(operation);
    return encodeJson({ result, isPulling: pulls.isPulling } satisfies ForwardedResult);
  });
  followers.on('pull-recheck', (link, body) => byLink.get(link)?.get(decodeJson(body))?.recheckAccess());
  followers.on('pull-close', (link, body) => close(link, decodeJson(body)));
  followers.onClosed((link) => {
    for (const pulls of byLink.get(link)?.values() ?? []) pulls.close();
    byLink.delete(link);
  });
}

function hostedSession<Link extends HostedLink>(
  link: Link,
  id: string,
  findSession: HostedPullParts<Link>['findSession'],
  isPulling: () => boolean,
): PullingSession {
  const { channel } = link;
  return {
    id,
    get principal() {
      return findSession(link, id)?.principal ?? ANONYMOUS;
    },
    get phase() {
      return findSession(link, id) === undefined ? 'closed' : 'open';
    },
    whenKnown: () => findSession(link, id)?.whenKnown?.(),
    respond(content) {
      channel.send(
        'pull-respond',
        encodeJson({ session: id, content, isPulling: isPulling() } satisfies ForwardedMessage),
      );
    },
    async sendAndWait(bytes) {
      const head = Buffer.from(`.${id}`, 'latin1');
      head.writeUInt8(id.length, 0);
      await channel.request('pull-send', Buffer.concat([head, bytes]));
    },
    drain() {
      // The follower drains its own sessions.
    },
  };
}
