import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { valueOf } from './basics.tsx';

/**
 * A filter in the address of the page, which holds once it is entered. Until then the page may
 * render for another reason, as when the filter beside it is entered: what a person has
 * typed stays.
 */
export function FilterInput({
  value,
  onEnter,
  placeholder = '',
  isNumber = false,
}: {
  value: string | undefined;
  onEnter: (value: string) => void;
  placeholder?: string;
  /** From 0 on. */
  isNumber?: boolean;
}): VNode {
  const [typed, setTyped] = useState<string>();
  useEffect(() => setTyped(undefined), [value]);
  return (
    <input
      {...(isNumber ? { type: 'number', min: 0 } : {})}
      value={typed ?? value ?? ''}
      onInput={(event) => setTyped(valueOf(event))}
      onChange={(event) => onEnter(valueOf(event))}
      placeholder={placeholder}
    />
  );
}
