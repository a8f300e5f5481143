import { render } from 'preact';
import { applyTheme, storedTheme } from '../../lab/src/theme.ts';
import { App } from './app.tsx';

applyTheme(storedTheme());
const root = document.getElementById('console');
if (root !== null) render(<App />, root);
