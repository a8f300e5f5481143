import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { logIn, type ConsoleSession } from '../hub/session.ts';
import { Brand } from './brand.tsx';
import { Failure, Field, valueOf } from './basics.tsx';

/**
 * The login with a key or a token. The credential is sent once, and never stored in the browser.
 */
export function Login({ onLogin }: { onLogin: (session: ConsoleSession) => void }): VNode {
  const [credential, setCredential] = useState('');
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(undefined);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      onLogin(await logIn(credential.trim()));
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
  };
  return (
    <main class="login">
      <Brand />
      <h1 tabIndex={-1}>Log in to this hub</h1>
      <form onSubmit={(event) => void submit(event)}>
        <Field
          label="Key or token"
          hint='A key with the scope admin, or a token that says "polycast": {"console": true}.'
        >
          <input
            type="password"
            name="credential"
            autocomplete="current-password"
            required
            value={credential}
            onInput={(event) => setCredential(valueOf(event))}
          />
        </Field>
        <Failure error={error} />
        <button type="submit" class="primary" disabled={isBusy || credential.trim() === ''}>
          {isBusy ? 'Logging in …' : 'Log in'}
        </button>
      </form>
      <p class="soft">
        <code>polycast keys create console --admin</code> makes such a key.
      </p>
    </main>
  );
}
