/** A field of `GET /v1/configuration`. */
export interface ShownField {
  readonly path: string;
  readonly value: unknown;
  readonly default: unknown;
  /** Where the value was set; `null` for the default and for a preset. */
  readonly origin: string | null;
  readonly environment: string;
  readonly form: string;
  readonly doc: string;
  readonly why: string;
  readonly live: boolean;
}

/** Whether a value differs from its default. */
export function isChanged({ value, default: byDefault }: ShownField): boolean {
  return JSON.stringify(value) !== JSON.stringify(byDefault);
}

/** Where a value comes from, in words. */
export function originWords(field: ShownField): string {
  if (field.origin !== null) return field.origin;
  return isChanged(field) ? 'preset of polycast dev' : 'default';
}
