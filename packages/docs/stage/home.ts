/**
 * The first page of the site, from the text of `docs/README.md`: the same steps below a large
 * title. Its headings become one level lower.
 */
export function homePage(text: string): string {
  return `${FRONT_MATTER}${text.replace(/^# .+$/m, '## In five minutes').replaceAll(/^## (?!In five)/gm, '### ')}`;
}

const FRONT_MATTER = `---
layout: home
title: Polycast
titleTemplate: Publish once. Deliver over everything.
hero:
  name: Publish once.
  text: Deliver over everything.
  tagline: Your backend publishes an event with one HTTP request. Browsers, servers and workers receive it by the best means they support, in order, and know when something is missing.
  actions:
    - { theme: brand, text: Start in five minutes, link: '#in-five-minutes' }
    - { theme: alt, text: Guides, link: /guides/getting-started }
    - { theme: alt, text: HTTP API, link: /reference/http }
---

`;
