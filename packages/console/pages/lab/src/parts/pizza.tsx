import type { VNode } from 'preact';

/** A pizza in the state that a client has received: `step` 0 (none) to 7 (delivered). */
export function Pizza({ step, small = false }: { step: number; small?: boolean }): VNode {
  return (
    <svg class={`pizza pizza-${step}`} viewBox="0 0 120 120" aria-hidden="true">
      <Plate step={step} />
      {step === 1 && <OrderSlip />}
      {step >= 2 && step <= 5 && <Whole step={step} small={small} />}
      {step === 6 && <Box />}
      {step === 7 && <Served small={small} />}
    </svg>
  );
}

function Plate({ step }: { step: number }): VNode {
  return (
    <g>
      <circle cx="60" cy="60" r="54" class={step === 4 ? 'plate plate-hot' : 'plate'} />
      {step === 0 && <circle cx="60" cy="60" r="41" class="plate-rim" />}
    </g>
  );
}

function OrderSlip(): VNode {
  return (
    <g class="slip">
      <path d="M40 30h40v60l-6.7-5-6.6 5-6.7-5-6.7 5-6.6-5-6.7 5z" class="slip-paper" />
      <path d="M48 44h24M48 54h24M48 64h15" class="slip-lines" />
    </g>
  );
}

function Whole({ step, small }: { step: number; small: boolean }): VNode {
  const baked = step >= 4;
  return (
    <g>
      <path d={DOUGH} class={baked ? 'crust crust-baked' : 'crust'} />
      {step === 2 && <path d="M42 50c6-8 18-10 26-5M46 74c8 6 20 6 27-1" class="dough-fold" />}
      {step >= 3 && <Toppings small={small} />}
      {step === 5 && <path d="M60 18v84M24 39l72 42M96 39L24 81" class="cuts" />}
    </g>
  );
}

/** An irregular circle, as if drawn by hand. */
const DOUGH =
  'M60 15c17-1 31 8 38 21 7 12 9 26 3 39-7 15-22 29-41 29-18 0-34-11-41-27-6-14-3-31 4-42 8-12 21-19 37-20z';
const SAUCE = 'M60 25c13 0 24 6 30 17 5 9 6 21 2 31-6 12-18 21-32 21s-27-9-32-21c-4-11-3-23 3-32 7-10 17-16 29-16z';

function Toppings({ small }: { small: boolean }): VNode {
  return (
    <g>
      <path d={SAUCE} class="sauce" />
      {CHEESE.map(([x, y, r]) => (
        <circle key={`${x}`} cx={x} cy={y} r={small ? r + 1 : r} class="cheese" />
      ))}
      {LEAVES.map(([x, y, turn]) => (
        <path
          key={`${x}`}
          d="M0-9C6-6 7 4 0 9-7 4-6-6 0-9z"
          transform={`translate(${x} ${y}) rotate(${turn}) scale(${small ? 1.2 : 1})`}
          class="leaf"
        />
      ))}
    </g>
  );
}

const CHEESE: readonly (readonly [number, number, number])[] = [
  [44, 46, 8],
  [73, 42, 7],
  [80, 66, 8],
  [54, 80, 8],
  [38, 67, 5],
  [61, 60, 6],
];

const LEAVES: readonly (readonly [number, number, number])[] = [
  [59, 40, 60],
  [76, 55, -30],
  [45, 58, 10],
  [68, 78, 100],
];

function Box(): VNode {
  return (
    <g class="box">
      <path d="M28 50h64v38H28z" class="box-front" />
      <path d="M28 50l9-16h46l9 16z" class="box-lid" />
      <path d="M28 63h64" class="box-seam" />
      <path d="M8 58h12M4 68h14M9 78h10" class="speed" />
    </g>
  );
}

function Served({ small }: { small: boolean }): VNode {
  return (
    <g>
      <Whole step={5} small={small} />
      <path d="M60 60V9a51 51 0 0 1 44 25z" class="plate bite" />
      <g class="tick-mark">
        <circle cx="92" cy="28" r="17" />
        <path d="M84 28l6 6 10-12" />
      </g>
    </g>
  );
}
