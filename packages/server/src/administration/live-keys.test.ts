import { once } from 'node:events';
import { describe, expect, onTestFinished, test } from 'vitest';
import WebSocket from 'ws';
import { loadConfig } from '../config/load.ts';
import { openHub } from '../hub.ts';
import { AdminClient } from './testing.ts';

async function openAdminKit(...settings: string[]): Promise<AdminClient> {
  const { config } = loadConfig({
    settings: [
      'access=rules',
      'listen=127.0.0.1:0',
      'data=:memory:',
      'logging.level=silent',
      'drain.timeMs=0',
      ...settings,
    ],
  });
  const hub = await openHub(config);
  onTestFinished(() => hub.close());
  return new AdminClient(hub);
}

describe('a key on live connections', () => {
  test.each(['revoked', 'rotated without overlap', 'allowed less'])(
    'that is %s: WebSocket and stream end with the reason',
    async (what) => {
      const kit = await openAdminKit();
      const { id, text } = await kit.createKey({ subscribe: ['>'] });
      const socket = new WebSocket(`${kit.hub.url.replace('http', 'ws')}/v1/events?channel=a`, {
        headers: { authorization: `Bearer ${text}` },
      });
      await once(socket, 'message');
      const stream = await fetch(`${kit.hub.url}/v1/events?channel=a`, {
        headers: { accept: 'text/event-stream', authorization: `Bearer ${text}` },
      });
      const startedMs = performance.now();
      const closed = once(socket, 'close');
      if (what === 'revoked') await kit.request('DELETE', `/v1/keys/${id}`);
      else if (what === 'allowed less') await kit.request('PATCH', `/v1/keys/${id}`, { scopes: { subscribe: ['b'] } });
      else await kit.request('POST', `/v1/keys/${id}/rotate`, { overlapSeconds: 0 });
      expect((await closed)[0]).toBe(4401);
      expect(await stream.text()).toContain('event: polycast.closing');
      // The session ends well before the next heartbeat, which comes after 25 seconds.
      expect(performance.now() - startedMs).toBeLessThan(15_000);
    },
  );
});

describe('a session that was opened with a key', () => {
  const open = async (kit: AdminClient, key: string): Promise<{ readonly socket: WebSocket; readonly id: string }> => {
    const socket = new WebSocket(`${kit.hub.url.replace('http', 'ws')}/v1/events?channel=a`, {
      headers: { authorization: `Bearer ${key}` },
    });
    const [ready] = (await once(socket, 'message')) as [Buffer];
    return { socket, id: (JSON.parse(ready.toString()) as { session: string }).session };
  };

  test("continues during its secret's rotation period, and ends soon after that", async () => {
    const kit = await openAdminKit();
    const { id, text } = await kit.createKey({ subscribe: ['>'] });
    const old = await open(kit, text);
    const closed = once(old.socket, 'close').then(([code]) => ({ code: code as number, atMs: Date.now() }));
    const rotated = await kit.request('POST', `/v1/keys/${id}/rotate`, { overlapSeconds: 3 });
    const young = await open(kit, rotated.body['key'] as string);
    const endsMs = Date.parse(rotated.body['overlapUntil'] as string);
    const { code, atMs } = await closed;
    expect(code).toBe(4401);
    expect(atMs).toBeGreaterThanOrEqual(endsMs);
    expect(atMs).toBeLessThan(endsMs + 15_000);
    expect(young.socket.readyState).toBe(WebSocket.OPEN);
  });

  test('can be disconnected alone; the key stays valid for another session', async () => {
    const kit = await openAdminKit();
    const { text } = await kit.createKey({ subscribe: ['>'] });
    const [one, other] = [await open(kit, text), await open(kit, text)];
    const closed = once(one.socket, 'close');
    await kit.request('POST', '/v1/revocations', { session: one.id });
    expect((await closed)[0]).toBe(4401);
    expect(other.socket.readyState).toBe(WebSocket.OPEN);
    expect((await open(kit, text)).id).not.toBe(one.id);
  });

  test('publishes no further line of an upload when its key is revoked', async () => {
    const kit = await openAdminKit();
    const { id, text } = await kit.createKey({ publish: ['>'] });
    const line = Buffer.from('{"channel":"a","data":1}\n');
    const lines = new TransformStream<Uint8Array, Uint8Array>();
    const writer = lines.writable.getWriter();
    void writer.write(line);
    const response = await fetch(`${kit.hub.url}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${text}`, 'content-type': 'application/x-ndjson' },
      body: lines.readable,
      duplex: 'half',
    });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const next = async (): Promise<unknown> => JSON.parse(Buffer.from((await reader.read()).value ?? []).toString());
    expect(await next()).toMatchObject({ channel: 'a', id: expect.any(String) });
    await kit.request('DELETE', `/v1/keys/${id}`);
    void writer.write(line);
    expect(await next()).toMatchObject({ error: { code: 'unauthorized' } });
    void writer.close();
  });

  test('a waiting poll is answered when its key is revoked, and the next one is refused', async () => {
    const kit = await openAdminKit();
    const { id, text } = await kit.createKey({ subscribe: ['>'] });
    const waiting = kit.request('GET', '/v1/events?channel=a&wait=50', undefined, text);
    const held = async (): Promise<string> => (await fetch(`${kit.hub.url}/metrics`)).text();
    await expect.poll(held).toMatch(/polycast_sessions\{.*long-poll.*\} 1/);
    await kit.request('DELETE', `/v1/keys/${id}`);
    expect((await waiting).body).toMatchObject({ events: [], cursor: expect.any(String) });
    expect((await kit.request('GET', '/v1/events?channel=a&wait=50', undefined, text)).body).toMatchObject({
      code: 'unauthorized',
    });
  });
});
