import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { AnswerEnd, AnswerSoFar, Turn } from './model.ts';

/** A message as the AI SDK has it (`UIMessage`), as far as this page uses it. */
export interface StoredMessage {
  readonly id: string;
  readonly role: 'user' | 'assistant';
  readonly parts: readonly { readonly type: 'text'; readonly text: string }[];
  readonly metadata?: AnswerEnd | undefined;
}

/** The conversations, in a database of the service's own. */
export class Chats {
  readonly #database: DatabaseSync;

  constructor(folder: string) {
    this.#database = new DatabaseSync(join(folder, 'chats.db'));
    this.#database.exec(`
      CREATE TABLE IF NOT EXISTS messages (number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, chat TEXT NOT NULL,
        role TEXT NOT NULL, text TEXT NOT NULL, state TEXT NOT NULL, metadata TEXT);
      CREATE INDEX IF NOT EXISTS by_chat ON messages (chat, number)`);
  }

  addQuestion(chat: string, id: string, text: string): void {
    this.#database
      .prepare(`INSERT OR IGNORE INTO messages (id, chat, role, text, state) VALUES (?, ?, 'user', ?, 'done')`)
      .run(id, chat, text);
  }

  saveAnswer(chat: string, { messageId, text, state }: AnswerSoFar, end?: AnswerEnd): void {
    this.#database
      .prepare(
        `INSERT INTO messages (id, chat, role, text, state, metadata) VALUES (?, ?, 'assistant', ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET text = excluded.text, state = excluded.state, metadata = excluded.metadata`,
      )
      .run(messageId, chat, text, state, end === undefined ? null : JSON.stringify(end));
  }

  /** Without an answer that still streams: the hub has that. */
  messages(chat: string): StoredMessage[] {
    const rows = this.#database
      .prepare(`SELECT * FROM messages WHERE chat = ? AND state <> 'streaming' ORDER BY number`)
      .all(chat);
    return rows.map(({ id, role, text, metadata }) => ({
      id: id as string,
      role: role as StoredMessage['role'],
      parts: [{ type: 'text', text: text as string }],
      ...(metadata !== null && { metadata: JSON.parse(metadata as string) as AnswerEnd }),
    }));
  }

  turns(chat: string): Turn[] {
    return this.messages(chat).map(({ role, parts }) => ({ role, content: parts.map(({ text }) => text).join('') }));
  }

  /** Answers that were interrupted when this service was killed. */
  interrupted(): { readonly chat: string; readonly answer: AnswerSoFar }[] {
    const rows = this.#database.prepare(`SELECT * FROM messages WHERE state = 'streaming'`).all();
    return rows.map(({ chat, id, text }) => ({
      chat: chat as string,
      answer: { messageId: id as string, text: text as string, state: 'failed' },
    }));
  }
}
