import { acknowledgeIn } from './lives/life.ts';
import { LIVES } from './lives.ts';

/** `node life.ts NAME FOLDER`: writes each acknowledgement to a file in the folder immediately. */
const [name, folder] = process.argv.slice(2) as [string, string];
await LIVES.find((life) => life.name === name)?.live(folder, acknowledgeIn(folder));
