import { linkTo, type Page } from './pages.ts';

/** The pages of a section, each with its name in the sidebar. */
interface Section {
  readonly title: string;
  readonly pages: Readonly<Record<string, string>>;
  /** Pages that no section names, and whose file begins with this, come last here. */
  readonly rest?: string;
}

/** The sections, by task: one order for the sidebar, the home page and `llms.txt`. */
const SECTIONS: readonly Section[] = [
  {
    title: 'Start',
    pages: {
      'docs/README.md': 'Five minutes',
      'docs/guides/getting-started.md': 'Getting started',
      'docs/guides/publishing.md': 'Publishing',
      'docs/guides/channels-and-rules.md': 'Channels and rules',
      'docs/guides/cursors-and-gaps.md': 'Cursors and gaps',
    },
  },
  {
    title: 'Deliver',
    pages: {
      'docs/guides/websocket.md': 'WebSocket',
      'docs/guides/server-sent-events.md': 'Server-Sent Events',
      'docs/guides/long-polling.md': 'Long polling',
      'docs/guides/short-polling.md': 'Short polling',
      'docs/guides/sending-webhooks.md': 'Sending webhooks',
      'docs/guides/receiving-webhooks.md': 'Receiving webhooks',
      'docs/guides/customer-portal.md': 'The customer portal',
      'docs/guides/ingest.md': 'Webhooks of third parties',
      'docs/guides/job-queue.md': 'Job queue',
      'docs/guides/websub.md': 'WebSub',
      'docs/guides/rest-hooks.md': 'REST Hooks',
      'docs/guides/private-messages.md': 'Private messages',
      'docs/guides/presence.md': 'Presence',
      'docs/guides/react.md': 'React',
      'docs/guides/clients.md': 'Client libraries',
    },
  },
  {
    title: 'Examples',
    pages: { 'examples/README.md': 'All examples' },
    rest: 'examples/',
  },
  {
    title: 'Secure',
    pages: {
      'docs/guides/authentication.md': 'Authentication',
      'docs/guides/keys.md': 'Keys',
      'docs/guides/tokens.md': 'Tokens',
      'docs/guides/your-sites-login.md': "Your site's login",
      'docs/guides/php-site.md': 'A site in PHP',
      'docs/guides/outgoing-requests.md': 'Outgoing requests',
      'docs/threat-model.md': 'Threat model',
    },
  },
  {
    title: 'Operate',
    pages: {
      'docs/guides/deployment.md': 'Deployment',
      'docs/guides/containers.md': 'Containers',
      'docs/guides/cluster.md': 'Cluster (preview)',
      'docs/guides/cluster-operations.md': 'Running a cluster',
      'docs/guides/kernel-limits.md': 'Limits of the kernel',
      'docs/guides/tracing.md': 'Tracing',
      'docs/guides/operating.md': 'Operating a hub',
      'docs/guides/erasing-data.md': 'Erasing data',
      'docs/guides/processes.md': 'All cores of a machine',
      'docs/guides/upgrading.md': 'Upgrading, and going back',
      'docs/guides/troubleshooting.md': 'Troubleshooting',
    },
    rest: 'docs/guides/',
  },
  {
    title: 'Reference',
    pages: {
      'docs/reference/http.md': 'HTTP API',
      'docs/reference/streams.md': 'Messages of streams',
      'docs/reference/configuration.md': 'Configuration',
      'docs/reference/cli.md': 'Command line',
      'docs/reference/errors.md': 'Errors',
      'docs/reference/metrics.md': 'Metrics',
      'PROTOCOL.md': 'Protocol',
      'docs/defaults.md': 'Defaults, and why',
      'docs/glossary.md': 'Glossary',
    },
    rest: 'docs/reference/',
  },
  {
    title: 'Understand',
    pages: {
      'docs/comparison.md': 'Comparison',
      'docs/guides/coming-from-polling.md': 'From polling',
      'docs/guides/coming-from-socket-io.md': 'From Socket.IO',
      'docs/guides/coming-from-pusher.md': 'From Pusher',
      'docs/guides/coming-from-centrifugo.md': 'From Centrifugo',
      'docs/guides/coming-from-mercure.md': 'From Mercure',
      'docs/guides/coming-from-webhook-sender.md': 'From your own webhooks',
      'docs/guides/coming-from-svix.md': 'From Svix',
      'ARCHITECTURE.md': 'Architecture',
      'docs/invariants.md': 'Invariants',
      'docs/memory.md': 'Memory',
      'docs/benchmarks.md': 'Benchmarks',
      'CHANGELOG.md': 'Changelog',
      'CONTRIBUTING.md': 'Contributing',
      'docs/decisions/README.md': 'Decisions',
    },
    rest: 'docs/',
  },
];

/** A section with its pages. */
export interface SidebarSection {
  readonly title: string;
  readonly items: readonly { readonly name: string; readonly page: Page }[];
}

/**
 * The sections with all pages. A new guide appears in `Operate` until a section names it. Decisions
 * are listed by their index alone.
 * @throws Error if a section names a page that does not exist
 */
export function sectionsOf(pages: ReadonlyMap<string, Page>): SidebarSection[] {
  const placed = new Set(SECTIONS.flatMap((section) => Object.keys(section.pages)));
  return SECTIONS.map(({ title, pages: named, rest }) => ({
    title,
    items: [
      ...Object.entries(named).map(([source, name]) => ({ name, page: pageAt(pages, source) })),
      ...[...pages.values()].filter((page) => isOfRest(page, rest, placed)).map((page) => placeOf(page, placed)),
    ],
  }));
}

function pageAt(pages: ReadonlyMap<string, Page>, source: string): Page {
  const page = pages.get(source);
  if (page === undefined) throw new Error(`packages/docs/stage/sidebar.ts names ${source}, which does not exist`);
  return page;
}

function isOfRest({ source }: Page, rest: string | undefined, placed: ReadonlySet<string>): boolean {
  return rest !== undefined && source.startsWith(rest) && !placed.has(source) && !source.startsWith('docs/decisions/');
}

function placeOf(page: Page, placed: Set<string>): { name: string; page: Page } {
  placed.add(page.source);
  return { name: page.title.split(/[:,]/, 1)[0] as string, page };
}

/** The sidebar in the form of VitePress. */
export function sidebar(sections: readonly SidebarSection[]): object[] {
  return sections.map(({ title, items }) => ({
    text: title,
    items: items.map(({ name, page }) => ({ text: name, link: linkTo(page) })),
  }));
}
