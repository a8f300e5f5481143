import { render } from 'preact';
import { PortalApi } from './model/portal-api.ts';
import { takeToken } from './model/token.ts';
import { App } from './parts/app.tsx';

const root = document.getElementById('portal');
const token = takeToken(window);
if (root !== null) render(<App api={token === undefined ? undefined : new PortalApi(token)} />, root);
