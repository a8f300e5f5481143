import type { Model } from './model.ts';

export interface OpenAiOptions {
  /** Such as `https://api.openai.com/v1`, or that of vLLM, Ollama, llama.cpp, … */
  readonly baseUrl: string;
  readonly key: string;
  readonly model: string;
}

interface Chunk {
  readonly choices?: readonly { readonly delta?: { readonly content?: string | null } }[];
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number } | null;
}

/**
 * `POST /chat/completions` with `stream: true`: each line `data: {…}` is a chunk,
 * the last is `data: [DONE]`.
 */
export function openAiModel({ baseUrl, key, model }: OpenAiOptions): Model {
  return async function* answer(messages, signal) {
    const response = await fetch(`${baseUrl}/chat/completions`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${key}` },
      body: JSON.stringify({ model, messages, stream: true, stream_options: { include_usage: true } }),
      signal, // ends the request, and so the generation
    });
    if (!response.ok || response.body === null) throw new Error(`The model answered ${response.status}.`);
    let rest = '';
    for await (const bytes of response.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + bytes).split(/\r?\n/);
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (!line.startsWith('data:') || line.endsWith('[DONE]')) continue;
        const { choices, usage } = JSON.parse(line.slice('data:'.length)) as Chunk;
        const text = choices?.[0]?.delta?.content;
        if (text) yield { text };
        if (usage) yield { usage: { inputTokens: usage.prompt_tokens, outputTokens: usage.completion_tokens } };
      }
    }
  };
}
