import type { VNode } from 'preact';
import { STEPS } from '../model/steps.ts';
import type { Order } from '../model/order.ts';
import { durationText } from '../model/format.ts';
import type { Session } from '../session.ts';
import { Pizza } from './pizza.tsx';

/** The introduction, the button for an order, and the kitchen, whose states the lanes receive. */
export function Stage({ session }: { session: Session }): VNode {
  const { order, running } = session;
  return (
    <section class="stage">
      <div class="pitch">
        <h1>Is it ready yet?</h1>
        <p class="lede">
          On the web only the browser can send the first message. So when something changes on the server, and your
          pizza goes into the oven, how does your browser find out? Order one, and watch four answers side by side, and
          a fifth for other servers, to which the hub sends requests.
        </p>
        <div class="order-line">
          <button
            type="button"
            class="primary"
            disabled={session.feed === 'connecting'}
            onClick={() => (running ? session.cancel() : void session.placeOrder())}
          >
            {running ? 'Cancel the order' : order === undefined ? 'Order a pizza' : 'Order another pizza'}
          </button>
          <p class="honest">Real requests to the real hub, through proxies that count every byte.</p>
        </div>
      </div>
      <Ticket order={order} running={running} />
    </section>
  );
}

function Ticket({ order, running }: { order: Order | undefined; running: boolean }): VNode {
  const accepted = order?.publications.filter(({ acceptedAtMs }) => acceptedAtMs !== undefined) ?? [];
  const step = accepted.length;
  return (
    <div class="kitchen">
      <div class="kitchen-pizza">
        <Pizza step={step} />
        <p class="kitchen-says">
          {step === 0 ? (running ? 'The lanes connect first.' : 'The kitchen is waiting.') : STEPS[step - 1]?.sentence}
        </p>
      </div>
      <section class="ticket" aria-label="The kitchen's ticket">
        <h2>
          <span>Kitchen</span>{' '}
          <span class="ticket-number">{order === undefined ? 'no order' : `order ${order.number}`}</span>
        </h2>
        <ol>
          {STEPS.map(({ name, title }, index) => {
            const publication = order?.publications[index];
            const state =
              publication === undefined ? 'to-come' : publication.acceptedAtMs === undefined ? 'sending' : 'done';
            return (
              <li key={name} title={title} class={state} aria-current={index === step - 1 ? 'step' : undefined}>
                <span class="number">{index + 1}</span>
                <span class="step-title">{title}</span>
                <span class="leader" />
                <span class="step-time">
                  {publication === undefined || order === undefined
                    ? ''
                    : durationText(publication.sentAtMs - order.startedAtMs)}
                </span>
              </li>
            );
          })}
        </ol>
      </section>
    </div>
  );
}
