import { PolycastError } from '@polycast/protocol';
import type { Principal } from '../core/principal.ts';
import { countedAs } from './client-address.ts';
import type { Session, SessionListener, Sessions } from './sessions.ts';

export interface AdmissionLimits {
  /** Streams and waiting polls at once; `null` for no limit. */
  readonly perUserMax: number | null;
  readonly perAddressMax: number | null;
}

/** How many connections one user, or one address, may have (PROTOCOL.md section 13.7). The site's own servers are not counted. */
export class Admission implements SessionListener {
  readonly #sessions: Sessions;
  readonly #limits: AdmissionLimits;
  readonly #byAddress = new Map<string, number>();

  constructor(sessions: Sessions, limits: AdmissionLimits) {
    this.#sessions = sessions;
    this.#limits = limits;
    if (this.countsAddresses) sessions.listen(this);
  }

  /** Whether sessions have to know where their client is. */
  get countsAddresses(): boolean {
    return this.#limits.perAddressMax !== null;
  }

  /** To be asked in the turn in which the session begins. @throws PolycastError `too_many_connections` */
  admit({ kind, user }: Principal, address: string | undefined): void {
    if (kind === 'server') return;
    const { perUserMax, perAddressMax } = this.#limits;
    if (perUserMax !== null && user !== undefined && this.#sessions.countOfUser(user) >= perUserMax)
      throw tooMany('user', perUserMax);
    if (perAddressMax === null || address === undefined) return;
    if ((this.#byAddress.get(countedAs(address)) ?? 0) >= perAddressMax) throw tooMany('address', perAddressMax);
  }

  opened(session: Session): void {
    const address = countedAs(session.address);
    this.#byAddress.set(address, (this.#byAddress.get(address) ?? 0) + 1);
  }

  closed(session: Session): void {
    const address = countedAs(session.address);
    const left = (this.#byAddress.get(address) ?? 0) - 1;
    if (left > 0) this.#byAddress.set(address, left);
    else this.#byAddress.delete(address);
  }
}

function tooMany(whose: string, limit: number): PolycastError {
  return new PolycastError('too_many_connections', `One ${whose} may have ${limit} connections at once.`, {
    limit,
    retryAfterMs: 5000,
  });
}
