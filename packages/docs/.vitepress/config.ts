import { transformerStyleToClass } from '@shikijs/transformers';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { UserConfig } from 'vitepress';
import { anchorOf } from '../stage/anchors.ts';
import { readPages } from '../stage/pages.ts';
import { sectionsOf, sidebar } from '../stage/sidebar.ts';
import { BASE, OUTPUT, STAGED } from '../stage/places.ts';

/**
 * Colours of code are classes in one file: the Content-Security-Policy allows no style in a page.
 */
const syntax = transformerStyleToClass({ classPrefix: 'syntax-' });
const SYNTAX_FILE = 'syntax.css';

const config: UserConfig = {
  title: 'Polycast',
  titleTemplate: ':title · Polycast',
  description: 'Publish once. Deliver over everything.',
  lang: 'en',
  base: BASE,
  srcDir: STAGED,
  srcExclude: ['public/**'],
  outDir: OUTPUT,
  cacheDir: join(STAGED, '../cache'),
  cleanUrls: true,
  // Its script would write a style into the page.
  appearance: { disableTransition: false },
  head: [
    ['link', { rel: 'icon', type: 'image/svg+xml', href: `${BASE}icon.svg` }],
    ['link', { rel: 'stylesheet', href: `${BASE}${SYNTAX_FILE}` }],
    ['meta', { name: 'theme-color', content: '#f2f5f0', media: '(prefers-color-scheme: light)' }],
    ['meta', { name: 'theme-color', content: '#0e1512', media: '(prefers-color-scheme: dark)' }],
  ],
  markdown: {
    theme: { light: 'github-light', dark: 'github-dark' },
    codeTransformers: [syntax],
    // `{channel}` in a heading is a part of a path.
    attrs: false,
    emoji: false,
    anchor: { slugify: anchorOf },
    config: (md) => {
      // Vue would take `{{name}}` in code for an expression.
      const { code_inline: code } = md.renderer.rules;
      md.renderer.rules.code_inline = (tokens, index, ...rest) => {
        tokens[index]?.attrSet('v-pre', '');
        return code?.(tokens, index, ...rest) ?? '';
      };
      md.core.ruler.push('aligned-cells', ({ tokens }) => {
        for (const token of tokens.filter(({ attrs }) => attrs?.some(([, value]) => value === 'text-align:right')))
          token.attrs = [['class', 'right']];
      });
    },
  },
  themeConfig: {
    logo: { light: '/logo.svg', dark: '/logo-dark.svg', alt: '' },
    siteTitle: 'Polycast',
    nav: [
      { text: 'Guides', link: '/guides/getting-started', activeMatch: '/guides/' },
      { text: 'HTTP API', link: '/reference/http', activeMatch: '/reference/http' },
      { text: 'Protocol', link: '/protocol' },
      { text: 'Changelog', link: '/changelog' },
    ],
    sidebar: sidebar(sectionsOf(readPages())),
    outline: { level: [2, 3], label: 'On this page' },
    search: { provider: 'local' },
    docFooter: { prev: 'Previous', next: 'Next' },
    externalLinkIcon: true,
  },
  vite: {
    build: { assetsInlineLimit: 0, chunkSizeWarningLimit: 4000 },
    logLevel: 'warn',
  },
  transformHtml: withoutInline,
  buildEnd: () => writeFileSync(join(OUTPUT, SYNTAX_FILE), syntax.getCSS()),
};
export default config;

/**
 * A page without inline scripts and styles, which the Content-Security-Policy forbids. Scripts
 * become files; the styles that VitePress writes are those that its own scripts set again.
 */
function withoutInline(html: string): string {
  return html
    .replaceAll(/<script([^>]*)>([^]*?)<\/script>/g, (whole, attributes: string, text: string) =>
      text === '' ? whole : `<script${attributes} src="${BASE}${scriptFile(text)}"></script>`,
    )
    .replaceAll(/(<[a-z][^>]*?) style="[^"]*"/g, '$1');
}

/** Writes a script into the folder of files with a hash in their names. Returns its path. */
function scriptFile(text: string): string {
  const name = `assets/inline.${createHash('sha256').update(text).digest('base64url').slice(0, 8)}.js`;
  mkdirSync(join(OUTPUT, 'assets'), { recursive: true });
  writeFileSync(join(OUTPUT, name), text);
  return name;
}
