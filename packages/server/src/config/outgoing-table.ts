import { isIP, isIPv4 } from 'node:net';
import * as z from 'zod';
import type { OutgoingConfig } from './config.ts';
import { field } from './field.ts';

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
export const outgoing: {
  readonly [Name in keyof OutgoingConfig]: z.ZodDefault<z.ZodType<OutgoingConfig[Name], unknown>>;
} = {
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
  ports: field(z.array(z.int().min(1).max(65_535)).min(1).max(100).default([80, 443, 8443]), {
    form: 'list of 1 to 100 ports',
    doc: 'The ports that requests of the hub may go to.',
    why: 'The web is served on these; on others stand databases and mail servers, which an HTTP request can confuse.',
  }),
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
