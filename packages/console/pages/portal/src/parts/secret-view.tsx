import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Heading, Notice } from './notice.tsx';

/** Shows a new secret, once: the hub never shows it again. */
export function SecretView({ secret, onDone }: { readonly secret: string; readonly onDone: () => void }): JSX.Element {
  const [isCopied, setCopied] = useState(false);
  const copy = (): void =>
    void navigator.clipboard.writeText(secret).then(
      () => setCopied(true),
      () => undefined,
    );
  return (
    <section>
      <Heading>Signing secret</Heading>
      <p>Your server verifies each request with this secret. Store it now: it is not shown again.</p>
      <p>
        <code class="secret">{secret}</code>
      </p>
      {isCopied && <Notice tone="good">Copied.</Notice>}
      <div class="actions">
        {window.isSecureContext && (
          <button type="button" onClick={copy}>
            Copy
          </button>
        )}
        <button type="button" class="primary" onClick={onDone}>
          I have stored it
        </button>
      </div>
    </section>
  );
}
