import { Dialects } from '../state/dialect.ts';
import { cloudEvents } from './cloudevents/dialect.ts';
import { restHooks } from './rest-hooks/dialect.ts';
import { standard } from './standard/dialect.ts';
import { webSub } from './websub/dialect.ts';

/** Every dialect. A new one is a folder beside this file, and a line here. */
export const DIALECTS: Dialects = new Dialects([standard, cloudEvents, restHooks, webSub]);
