import type { IncomingMessage } from 'node:http';

export function readBody(request: IncomingMessage, onBody: (body: string) => void): void {
  const pieces: Buffer[] = [];
  request.on('data', (piece: Buffer) => pieces.push(piece));
  request.on('end', () => onBody(pieces.length === 1 ? String(pieces[0]) : Buffer.concat(pieces).toString()));
}
