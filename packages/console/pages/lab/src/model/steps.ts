/** The states of a pizza, in the kitchen's order. */
export const STEPS = [
  { name: 'ordered', title: 'Ordered', sentence: 'The order is in the kitchen.' },
  { name: 'dough', title: 'Dough', sentence: 'The dough is being stretched.' },
  { name: 'topping', title: 'Topping', sentence: 'Tomato, mozzarella, basil.' },
  { name: 'oven', title: 'Oven', sentence: 'It is in the oven.' },
  { name: 'ready', title: 'Ready', sentence: 'Out of the oven, and sliced.' },
  { name: 'on-its-way', title: 'On its way', sentence: 'In its box, on its way.' },
  { name: 'delivered', title: 'Delivered', sentence: 'It is at the door.' },
] as const;

export type StepName = (typeof STEPS)[number]['name'];

/** 1 to 7; 0 for a value that is not a step. */
export function stepNumber(name: string): number {
  return STEPS.findIndex((step) => step.name === name) + 1;
}
