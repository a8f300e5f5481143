/** The oldest major version of Node.js with all that a hub needs, `node:sqlite` for example. */
export const OLDEST_NODE = 24;

/** Says why this version of Node.js cannot run Polycast. Undefined where it can. */
export function reasonOfOldNode(): string | undefined {
  if (Number.parseInt(process.versions.node, 10) >= OLDEST_NODE) return undefined;
  return (
    `This is Node.js ${process.version} (${process.execPath}), and Polycast needs ${OLDEST_NODE} or later. ` +
    'Install it from https://nodejs.org, or use the single executable or the container image.'
  );
}
