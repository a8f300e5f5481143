import { isIP, isIPv4, isIPv6 } from 'node:net';
import * as z from 'zod';
import { choiceField, field, integerField } from '../../settings/field.ts';

const destinations = (): z.ZodDefault<z.ZodArray<z.ZodString>> =>
  z
    .array(
      z
        .string()
        .refine(
          isDestination,
          'must be a name (`hooks.example`, `*.corp.example`), an address or a CIDR block, each with `:PORT`, with `:*` for any port, or without; an IPv6 one with a port in brackets',
        ),
    )
    .max(1000)
    .default([]);

/** The settings of `outgoing`. */
export const outgoing = {
  allow: field(destinations(), {
    form: 'list of at most 1,000 names, addresses or CIDR blocks, each with `:PORT`, with `:*` or without',
    doc: 'Private destinations that the hub may reach, such as `10.0.0.0/8`, `idp.corp.example` or `10.1.2.3:8080`, also by plain http. Entries without a port apply to `outgoing.ports`, and entries with `:*` to every port. `outgoing.deny` takes precedence.',
    why: 'URLs from others must not lead into your own network. The few destinations that are allowed there are known.',
  }),
  deny: field(destinations(), {
    form: 'list of at most 1,000 names, addresses or CIDR blocks, each with `:PORT`, with `:*` or without',
    doc: 'Destinations that the hub never reaches, even if they are public or in `outgoing.allow`.',
    why: 'All private addresses are excluded already.',
  }),
  httpsOnly: field(z.boolean().default(false), {
    form: '`true` or `false`',
    doc: 'Webhooks must use https, except for hosts in `outgoing.allow`.',
    why: 'Many receivers inside a company have no certificate. Their requests are signed, but not encrypted.',
  }),
  ports: field(z.array(z.int().min(1).max(65_535)).min(1).max(100).default([80, 443, 8443]), {
    form: 'list of 1 to 100 ports',
    doc: 'The ports to which the hub may send requests.',
    why: 'Web servers use these ports. Databases and mail servers, which an HTTP request can confuse, use others.',
  }),
  nameServers: field(
    z
      .array(z.string().refine(isNameServer, 'must be an address, or one with a port: `10.0.0.53`, `[fd00::53]:5353`'))
      .max(10)
      .default([]),
    {
      form: 'list of at most 10 addresses, each with `:PORT` or without',
      doc: 'The name servers for host names. If empty: those of the system, including its `hosts` file.',
      why: 'The system has its own configuration.',
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
      form: 'URL or null',
      doc: 'The HTTP proxy (CONNECT) for requests to public addresses. A user name and password in the URL are sent as Basic credentials. Requests to private addresses never use the proxy. The hub resolves names and checks their addresses before it uses the proxy.',
      why: 'Most hubs have direct access to the Internet.',
    },
  ),
  proxyConnectTo: choiceField(['address', 'name'], 'address', {
    doc: 'What the hub sends to the proxy: the checked `address`, or the `name`, which the proxy resolves itself, for proxies that filter by name. With `name` the hub cannot check the result, so the proxy must refuse private addresses.',
    why: 'Only then does the connection go to the address that the hub has checked.',
  }),
  connectionsMax: integerField(
    { unit: 'connections', min: 1, max: 100_000, default: 10_000 },
    {
      doc: 'The maximum number of connections for webhooks. At the limit the hub closes idle connections first; then requests wait.',
      why: 'The same as `subscriptions.requestsMax`, so that endpoints that hang leave room for the others. A connection costs a file handle and, with TLS, about 30 kB.',
    },
  ),
  connectionsPerHostMax: integerField(
    { unit: 'connections per host and port', min: 1, max: 10_000, default: 256 },
    {
      doc: 'The maximum number of these connections per host and port. At the limit requests wait, and the URLs of the host take turns.',
      why: 'A provider with many customers sees the hub as one client, and one host must not use all connections.',
    },
  ),
};

const NAME =
  /^(?:\*\.)?(?=.{1,253}(?::|$))[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*(?::(\d{1,5}|\*))?$/i;

function isDestination(text: string): boolean {
  const bracketed = /^\[([^\]]+)\](?::(\d{1,5}|\*))?$/.exec(text);
  if (bracketed !== null) return isBlock(bracketed[1] as string) && isPort(bracketed[2]);
  if (isBlock(text)) return true;
  const [, block, port] = /^([^:]+):(\d{1,5}|\*)$/.exec(text) ?? [];
  if (block !== undefined && isBlock(block)) return isPort(port);
  if (/^[\d./:]+\*?$/.test(text)) return false;
  const name = NAME.exec(text);
  return name !== null && isPort(name[1]);
}

function isBlock(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  if (rest.length > 0 || isIP(address) === 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (isIPv4(address) ? 32 : 128));
}

function isPort(text: string | undefined): boolean {
  return text === undefined || text === '*' || (Number(text) >= 1 && Number(text) <= 65_535);
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
