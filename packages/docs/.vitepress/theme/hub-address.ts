import { onContentUpdated } from 'vitepress';

/** The address of the hub in all guides. */
const SHOWN = 'http://127.0.0.1:7400';

/**
 * Shows the address of the hub that serves this page in the place of the default one. Its commands
 * then work as they are copied. This holds on the hub's own machine alone. Elsewhere the page comes
 * through a proxy, and a guide that configures the proxy means the hub behind it.
 */
export function useHubAddress(): void {
  onContentUpdated(() => {
    const { hostname, origin } = location;
    const isOnThisMachine = ['127.0.0.1', 'localhost', '[::1]'].includes(hostname);
    if (isOnThisMachine && origin !== SHOWN) showAddress(origin);
  });
}

function showAddress(origin: string): void {
  const content = document.querySelector('.vp-doc');
  if (content === null) return;
  const texts = document.createTreeWalker(content, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text !== null; text = texts.nextNode())
    if (text.nodeValue?.includes(SHOWN) === true) text.nodeValue = text.nodeValue.replaceAll(SHOWN, origin);
  for (const link of content.querySelectorAll<HTMLAnchorElement>(`a[href^="${SHOWN}"]`))
    link.href = origin + (link.getAttribute('href') ?? '').slice(SHOWN.length);
}
