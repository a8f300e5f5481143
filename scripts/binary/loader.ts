import { getAssetKeys, getRawAsset } from 'node:sea';
import { createRequire } from 'node:module';
import { Script } from 'node:vm';

/**
 * Loads the modules inside a single executable. An asset `lib/log-writer.js` is a CommonJS module,
 * and `code/log-writer.js` its bytecode, which the build has recorded in a hub that ran. With it a
 * start compiles nothing.
 */
const inside = new Set(getAssetKeys());
const builtin = createRequire(process.execPath);
const modules = new Map<string, { exports: object }>();
const scripts = new Map<string, Script>();

/** Runs a module, once. */
export function load(name: string): object {
  const known = modules.get(name);
  if (known !== undefined) return known.exports;
  const module = { exports: {} };
  modules.set(name, module);
  const cachedData = inside.has(`code/${name}`) ? bytesOf(`code/${name}`) : undefined;
  // The build makes ASCII of all code, and a first line for the shell only counts in a file.
  const code = bytesOf(`lib/${name}`).toString('latin1').replace(/^#!/, '//');
  const filename = `/polycast/lib/${name}`;
  const script = new Script(`(function (exports, require, module, __filename) {${code}\n})`, { filename, cachedData });
  scripts.set(name, script);
  const run = script.runInThisContext() as (...parts: unknown[]) => void;
  run(module.exports, requireInside, module, filename);
  return module.exports;
}

/** The bytecode of all modules that have run, with each function that has been called. */
export function recordedCode(): ReadonlyMap<string, Buffer> {
  return new Map([...scripts].map(([name, script]) => [name, script.createCachedData()]));
}

/** `./main-x1.js` is a module inside, and `ajv/dist/2020.js` a library inside: `ajv-2020.js`. */
function requireInside(id: string): unknown {
  const name = id.startsWith('./') ? id.slice(2) : `${id.replace('/dist/', '-').replace(/\.js$/, '')}.js`;
  return inside.has(`lib/${name}`) ? load(name) : builtin(id);
}

function bytesOf(asset: string): Buffer {
  return Buffer.from(getRawAsset(asset));
}
