import { render } from 'preact';
import { PortalApi } from './model/portal-api.ts';
import { takeToken } from './model/token.ts';
import { App } from './parts/app.tsx';

const root = document.getElementById('portal');
show(takeToken(window));
// A link that is opened in the same tab changes the fragment alone, and the browser loads nothing.
window.addEventListener('hashchange', () => {
  const token = takeToken(window);
  if (token !== undefined) show(token);
});

function show(token: string | undefined): void {
  const api = token === undefined ? undefined : new PortalApi(token);
  if (root !== null) render(<App key={token} api={api} />, root);
}
