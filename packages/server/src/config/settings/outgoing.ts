import { isIP, isIPv4, isIPv6 } from 'node:net';
import * as z from 'zod';
import { choiceField, field, integerField } from './field.ts';

const destinations = (): z.ZodDefault<z.ZodArray<z.ZodString>> =>
  z
    .array(
      z
        .string()
        .refine(
          isDestination,
          'must be a name (`hooks.example`, `*.corp.example`), an address or a CIDR block, each with `:PORT` or without; an IPv6 one with a port in brackets',
        ),
    )
    .max(1000)
    .default([]);

/** The settings of `outgoing`. */
export const outgoing = {
  allow: field(destinations(), {
    form: 'list of at most 1,000 names, addresses or CIDR blocks, each with `:PORT` or without',
    doc: 'What may be reached although it is not public, such as `10.0.0.0/8`, `idp.corp.example` or `10.1.2.3:8080`; also by plain http. Without a port: on those of `outgoing.ports`. What `outgoing.deny` names stays closed.',
    why: 'Addresses that others name must not lead into your own network; what is meant to be reached there is few and known.',
  }),
  deny: field(destinations(), {
    form: 'list of at most 1,000 names, addresses or CIDR blocks, each with `:PORT` or without',
    doc: 'What is never reached, though it be public or allowed.',
    why: 'All that is not public is closed already.',
  }),
  httpsOnly: field(z.boolean().default(false), {
    form: '`true` or `false`',
    doc: 'Webhooks go by https alone, except to hosts that `outgoing.allow` names.',
    why: 'Many receivers inside a company have no certificate; what they get is signed, though not secret on the way.',
  }),
  ports: field(z.array(z.int().min(1).max(65_535)).min(1).max(100).default([80, 443, 8443]), {
    form: 'list of 1 to 100 ports',
    doc: 'The ports that requests of the hub may go to.',
    why: 'The web is served on these; on others stand databases and mail servers, which an HTTP request can confuse.',
  }),
  nameServers: field(
    z
      .array(z.string().refine(isNameServer, 'must be an address, or one with a port: `10.0.0.53`, `[fd00::53]:5353`'))
      .max(10)
      .default([]),
    {
      form: 'list of at most 10 addresses, each with `:PORT` or without',
      doc: 'The name servers that are asked for the addresses of hosts. Without any: those of the system, and then its `hosts` file.',
      why: 'The system knows its own.',
    },
  ),
  proxy: field(
    z
      .string()
      .max(2000)
      .refine(isProxy, 'must be an http or https URL of a host, without a path: `http://proxy.corp.example:3128`')
      .nullable()
      .default(null),
    {
      form: 'URL, or null',
      doc: 'The HTTP proxy by which public addresses are reached, with CONNECT; a user name and a password in it are sent as Basic. What is not public is always reached directly. Names are looked up and their addresses checked before the proxy is asked.',
      why: 'Most hubs reach the Internet directly.',
    },
  ),
  proxyConnectTo: choiceField(['address', 'name'], 'address', {
    doc: 'What the proxy is asked for: the `address` that was checked, or the `name`, which the proxy looks up itself, for those that decide by names. With `name` nothing here can tell what the proxy finds: it must refuse private addresses itself.',
    why: 'Only so does the connection go where the hub has looked.',
  }),
  connectionsMax: integerField(
    { unit: 'connections', min: 1, max: 100_000, default: 10_000 },
    {
      doc: 'How many connections webhooks may have at once; what is idle is closed for one that is needed, then requests wait.',
      why: 'As many as `subscriptions.requestsMax`, so that endpoints that hang leave room for the others; each connection is a file handle and some 30 kB with TLS.',
    },
  ),
  connectionsPerHostMax: integerField(
    { unit: 'connections per host and port', min: 1, max: 10_000, default: 256 },
    {
      doc: 'How many of them may go to one host and port. Beyond it requests wait, the URLs of the host by turns.',
      why: 'A provider that many customers share sees one hub as one client, and one host must not take the room of all.',
    },
  ),
};

const NAME =
  /^(?:\*\.)?(?=.{1,253}(?::|$))[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*(?::(\d{1,5}))?$/i;

function isDestination(text: string): boolean {
  const bracketed = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text);
  if (bracketed !== null) return isBlock(bracketed[1] as string) && isPort(bracketed[2]);
  if (isBlock(text)) return true;
  const [, block, port] = /^([^:]+):(\d{1,5})$/.exec(text) ?? [];
  if (block !== undefined && isBlock(block)) return isPort(port);
  if (/^[\d./:]+$/.test(text)) return false;
  const name = NAME.exec(text);
  return name !== null && isPort(name[1]);
}

function isBlock(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  if (rest.length > 0 || isIP(address) === 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (isIPv4(address) ? 32 : 128));
}

function isPort(text: string | undefined): boolean {
  return text === undefined || (Number(text) >= 1 && Number(text) <= 65_535);
}

function isNameServer(text: string): boolean {
  if (isIP(text) !== 0) return true;
  const [, six, four, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  return (isIPv6(six ?? '') || isIPv4(four ?? '')) && isPort(port);
}

function isProxy(text: string): boolean {
  const url = URL.parse(text);
  const isWhole = url !== null && url.hostname !== '' && /^https?:$/.test(url.protocol);
  return isWhole && url.pathname === '/' && url.search === '' && url.hash === '';
}
