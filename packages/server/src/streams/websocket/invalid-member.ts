import { PolycastError } from '@polycast/protocol';

/** The error for an invalid member of an operation. */
export function invalidMember(member: string, reason: string): PolycastError {
  return new PolycastError('invalid_message', `"${member}" ${reason}.`, { member });
}
