import type { VNode } from 'preact';
import { Head } from '../../parts/basics.tsx';
import { href, useRoute } from '../../router.ts';
import { AuditLog } from './audit-log.tsx';
import { ExplainAccess } from './explain-access.tsx';
import { Keys } from './keys.tsx';
import { RuleList } from './rule-list.tsx';

const VIEWS = [
  { name: 'keys', title: 'Keys', view: Keys },
  { name: 'rules', title: 'Rules', view: RuleList },
  { name: 'explain', title: 'What may somebody do?', view: ExplainAccess },
  { name: 'audit', title: 'Audit log', view: AuditLog },
];

/** Who may do what: keys, rules, the answer for one caller, and the record of changes. */
export function Access(): VNode {
  const { args } = useRoute();
  const shown = VIEWS.find(({ name }) => name === args[0]) ?? VIEWS[0];
  const View = shown?.view ?? Keys;
  return (
    <>
      <Head title="Access" />
      <nav class="tabs" aria-label="Access">
        {VIEWS.map(({ name, title }) => (
          <a key={name} href={href('access', [name])} aria-current={name === shown?.name ? 'page' : undefined}>
            {title}
          </a>
        ))}
      </nav>
      <View />
    </>
  );
}
