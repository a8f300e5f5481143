import type { PolycastEvent } from '@polycast/protocol';
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { Copy, Time } from '../../parts/basics.tsx';
import { jsonLine, jsonText } from '../../parts/format.ts';
import { href } from '../../router.ts';

const LINE_LENGTH_MAX = 160;

/**
 * An event in one line, and as a whole when it is opened.
 * @param onErase asks for the erasure of the event; without it there is no button
 */
export function EventRow({
  event,
  showChannel,
  onErase,
}: {
  event: PolycastEvent;
  showChannel: boolean;
  onErase?: (id: string) => void;
}): VNode {
  const [isOpen, setOpen] = useState(false);
  return (
    <li class="event">
      <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
        <summary>
          <span class="event-time">
            <Time at={event.time} />
          </span>
          {showChannel && <span class="event-channel">{event.channel}</span>}
          {event.type !== undefined && <span class="tag">{event.type}</span>}
          <span class="event-data">{dataLine(event)}</span>
        </summary>
        {isOpen && <WholeEvent event={event} onErase={onErase} />}
      </details>
    </li>
  );
}

/** The whole event as JSON, bytes also in hexadecimal, and the ways on from it. */
function WholeEvent({ event, onErase }: { event: PolycastEvent; onErase: ((id: string) => void) | undefined }): VNode {
  const json = jsonText(event, 2);
  const bytes = bytesOf(event);
  return (
    <div class="event-whole">
      <pre class="json" tabIndex={0}>
        {json}
      </pre>
      {bytes !== undefined && (
        <pre class="json" tabIndex={0}>
          {hexadecimal(bytes)}
        </pre>
      )}
      <div class="row-buttons">
        <Copy text={json}>Copy as JSON</Copy>
        <Copy text={event.id}>Copy the id</Copy>
        <a href={href('why', [], { event: event.id, channel: event.channel })}>Why somebody got it, or did not</a>
        {onErase !== undefined && (
          <button type="button" class="quiet" onClick={() => onErase(event.id)}>
            Erase the event …
          </button>
        )}
      </div>
    </div>
  );
}

function dataLine(event: PolycastEvent): string {
  const bytes = bytesOf(event);
  if (bytes !== undefined) return `${bytes.length} bytes of ${event.datacontenttype ?? 'unknown type'}`;
  return jsonLine(event.data, LINE_LENGTH_MAX);
}

/** The bytes of an event whose data is no text. */
function bytesOf(event: PolycastEvent): Uint8Array | undefined {
  const { data_base64: encoded } = event;
  return encoded === undefined ? undefined : Uint8Array.from(atob(encoded), (byte) => byte.charCodeAt(0));
}

/** Lines of 16 bytes: offset, hexadecimal digits and characters. */
export function hexadecimal(bytes: Uint8Array, bytesMax: number = 4096): string {
  const lines: string[] = [];
  for (let at = 0; at < Math.min(bytes.length, bytesMax); at += 16) {
    const part = [...bytes.slice(at, at + 16)];
    const digits = part.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const characters = part.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.')).join('');
    lines.push(`${at.toString(16).padStart(6, '0')}  ${digits.padEnd(47)}  ${characters}`);
  }
  if (bytes.length > bytesMax) lines.push(`… ${bytes.length - bytesMax} more bytes`);
  return lines.join('\n');
}
