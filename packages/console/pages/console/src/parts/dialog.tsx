import type { ComponentChildren, VNode } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Failure, Field, valueOf } from './basics.tsx';

/** A modal dialog. Escape closes it, and the focus returns to the button that opened it. */
export function Dialog({
  title,
  onClose,
  children,
}: {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}): VNode {
  const dialog = useRef<HTMLDialogElement>(null);
  // Before the next key is handled: an Escape that follows the click immediately closes the dialog.
  useLayoutEffect(() => {
    const opener = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (opener instanceof HTMLElement) opener.focus();
    };
  }, []);
  return (
    <dialog ref={dialog} aria-label={title} onClose={onClose}>
      <h2>{title}</h2>
      {children}
    </dialog>
  );
}

/**
 * Asks before something that cannot be taken back: the person types the name of what is meant.
 * @param act ends the dialog when it succeeds, and shows its failure otherwise
 */
export function Confirm({
  title,
  name,
  verb,
  act,
  onClose,
  children,
}: {
  title: string;
  name: string;
  verb: string;
  act: () => Promise<void>;
  onClose: () => void;
  children: ComponentChildren;
}): VNode {
  const [typed, setTyped] = useState('');
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(undefined);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (typed !== name || isBusy) return;
    setBusy(true);
    try {
      await act();
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <div class="dialog-text">{children}</div>
        <Field label={`Type ${name} to confirm`}>
          <input value={typed} onInput={(event) => setTyped(valueOf(event))} autocomplete="off" spellcheck={false} />
        </Field>
        <Failure error={error} />
        <div class="dialog-buttons">
          <button type="button" class="quiet" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="danger" disabled={typed !== name || isBusy}>
            {isBusy ? 'Working …' : verb}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
