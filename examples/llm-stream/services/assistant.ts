import { createServer } from 'node:http';
import { createPublisher } from '@polycast/client/server';
import { createAnswers } from './answers.ts';
import { Chats } from './chats.ts';
import { localModel } from './local-model.ts';
import { openAiModel } from './openai-model.ts';

/** The service of the chat: it stores messages, and lets the model answer. Tokens go to the hub. */
const { PORT, POLYCAST_URL, POLYCAST_KEY, DATA_FOLDER, OPENAI_BASE_URL, OPENAI_API_KEY, OPENAI_MODEL } = process.env;

const model =
  OPENAI_BASE_URL === undefined
    ? localModel()
    : openAiModel({ baseUrl: OPENAI_BASE_URL, key: OPENAI_API_KEY ?? '', model: OPENAI_MODEL ?? '' });
const chats = new Chats(DATA_FOLDER as string);
const answers = createAnswers(model, chats, createPublisher(POLYCAST_URL as string, { key: POLYCAST_KEY as string }));
for (const { chat, answer } of chats.interrupted()) await answers.end(chat, answer);

createServer(async (request, response) => {
  const [, chat = '', action] = /^\/api\/chats\/([\w-]{1,64})\/(messages|stop)$/.exec(request.url ?? '') ?? [];
  const answer = (status: number, body: unknown): void =>
    void response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
  try {
    if (request.method === 'GET' && action === 'messages') return answer(200, chats.messages(chat));
    if (request.method !== 'POST' || action === undefined) return answer(404, 'Not found.');
    if (action === 'stop') return void (answers.stop(chat), answer(202, {}));
    const { id, text } = JSON.parse((await request.toArray()).join('')) as { id: string; text: string };
    if (answers.isRunning(chat)) return answer(409, 'An answer is being written.');
    chats.addQuestion(chat, id, text);
    answer(202, await answers.start(chat));
  } catch (error) {
    console.error(error);
    answer(502, 'The answer could not be started.');
  }
}).listen(Number(PORT), '127.0.0.1');
