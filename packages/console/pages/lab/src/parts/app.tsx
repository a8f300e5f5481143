import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Session } from '../session.ts';
import { CostTable } from './cost-table.tsx';
import { Chart } from './chart.tsx';
import { Controls } from './controls.tsx';
import { Footer } from './footer.tsx';
import { Header } from './header.tsx';
import { Stage } from './stage.tsx';
import { UsersDemo } from './users-demo.tsx';
import { Wires } from './wires.tsx';

export function App({ session }: { session: Session }): VNode {
  const [, setVersion] = useState(0);
  useEffect(() => session.listen(() => setVersion((version) => version + 1)), [session]);
  const { people } = session.config;
  return (
    <>
      <Header feed={session.feed} />
      <main>
        <Stage session={session} />
        <Controls session={session} />
        <Chart session={session} />
        <CostTable session={session} />
        {people.length > 0 && <UsersDemo people={people} />}
        <Wires session={session} />
      </main>
      <Footer />
      <p class="unseen" aria-live="polite">
        {session.announcement}
      </p>
    </>
  );
}
