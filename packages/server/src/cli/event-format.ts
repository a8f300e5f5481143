import type { PolycastEvent } from '@polycast/protocol';
import { groupDigits } from '../core/primitives/english.ts';
import { printable, type Terminal } from './terminal.ts';

/** An event on one line for people: `12:01:02.123 orders.42 order.baked {"state":"baked"}`. */
export function eventLine(event: PolycastEvent, style: Terminal['style']): string {
  const { time, channel, type } = event;
  const parts = [style('dim', localTime(time)), style('cyan', channel)];
  if (type !== undefined) parts.push(style('magenta', printable(type)));
  parts.push(dataText(event));
  return parts.join(' ');
}

export function localTime(time: string): string {
  const date = new Date(time);
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, '0'));
  return `${clock.join(':')}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

function dataText({ data, data_base64: base64, datacontenttype }: PolycastEvent): string {
  if (base64 === undefined) return printable(JSON.stringify(data));
  const bytes = Buffer.from(base64, 'base64').length;
  return `(${groupDigits(bytes)} bytes of ${printable(datacontenttype ?? 'application/octet-stream')})`;
}
