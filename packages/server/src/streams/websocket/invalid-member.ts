import { PolycastError } from '@polycast/protocol';

/** What is wrong with a member of an operation. */
export function invalidMember(member: string, reason: string): PolycastError {
  return new PolycastError('invalid_message', `"${member}" ${reason}.`, { member });
}
