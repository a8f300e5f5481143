/** The parts of a hub that these tests use. */
interface HubUnderTest {
  readonly url: string;
  readonly firstKey: string | undefined;
}

/** A response, with its body parsed as JSON. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A client of a hub's administration. */
export class AdminClient {
  readonly hub: HubUnderTest;

  constructor(hub: HubUnderTest) {
    this.hub = hub;
  }

  get admin(): string {
    return this.hub.firstKey as string;
  }

  async request(
    method: string,
    path: string,
    body?: unknown,
    key: string | undefined = this.admin,
    more: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await fetch(this.hub.url + path, {
      method,
      headers: {
        ...(key !== '' && { authorization: `Bearer ${key}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...more,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? {} : (JSON.parse(text) as Answer['body']),
    };
  }

  async createKey(scopes: object, more: object = {}): Promise<{ readonly id: string; readonly text: string }> {
    const { status, body } = await this.request('POST', '/v1/keys', { name: 'made', scopes, ...more });
    if (status !== 201) throw new Error(JSON.stringify(body));
    return { id: body['id'] as string, text: body['key'] as string };
  }
}
