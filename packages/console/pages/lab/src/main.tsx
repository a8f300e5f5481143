import { render } from 'preact';
import { App } from './parts/app.tsx';
import { applyTheme, storedTheme } from './theme.ts';
import { Session } from './session.ts';

applyTheme(storedTheme());
const session = new Session();
const root = document.getElementById('lab');
if (root !== null) render(<App session={session} />, root);
void session.open();
