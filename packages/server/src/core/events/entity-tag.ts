import { CURSOR_LENGTH } from '@polycast/protocol';

/**
 * The cursor in an entity tag. Behind it may stand who the answer was for (`.`), or its content coding (`~`): the tag
 * `0t24qj92dx-00000000010.X2b4` names the place `0t24qj92dx-00000000010`, whoever sends it back.
 */
export function cursorOfTag(tag: string): string {
  const next = tag[CURSOR_LENGTH];
  return next === '.' || next === '~' ? tag.slice(0, CURSOR_LENGTH) : tag;
}
