import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Server } from 'node:https';
import { createSecureContext } from 'node:tls';
import { ticksOf, type Timed, type Wheel } from '../core/wheel.ts';
import type { TransportLogger } from './services.ts';

export interface CertificateFiles {
  /** Paths of PEM files. */
  readonly certificate: string;
  readonly key: string;
}

export interface CertificatePair {
  readonly certificate: Buffer;
  readonly key: Buffer;
}

/** What was counted since the hub began. */
export interface CertificateFigures {
  readonly reloaded: number;
  readonly failed: number;
  /** When the certificate in use ends, in milliseconds since 1970. */
  readonly expiresMs: number;
}

/** What every context has, the first and those that replace it. */
export const TLS_OPTIONS = { minVersion: 'TLSv1.2' } as const;

export async function readPair(files: CertificateFiles): Promise<CertificatePair> {
  const [certificate, key] = await Promise.all([readFile(files.certificate), readFile(files.key)]);
  return { certificate, key };
}

/**
 * Keeps a server's certificate the one of the files (PROTOCOL.md section 13.8). They are looked at again and again, and what is new is used
 * once it is whole: a certificate and its own key. Until then new connections get the old one; open ones keep what they have.
 */
export class Certificate implements Timed {
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;
  readonly #server: Pick<Server, 'setSecureContext'>;
  readonly #files: CertificateFiles;
  readonly #logger: TransportLogger;
  #seen: CertificatePair;
  #expiresMs: number;
  #reloaded = 0;
  #failed = 0;
  #complaint = '';
  #looking: Promise<void> | undefined;
  #watch: { readonly wheel: Wheel; readonly ticks: number } | undefined;

  /** @param first what the server was made with */
  constructor(
    server: Pick<Server, 'setSecureContext'>,
    files: CertificateFiles,
    first: CertificatePair,
    logger: TransportLogger,
  ) {
    this.#server = server;
    this.#files = files;
    this.#logger = logger;
    this.#seen = first;
    this.#expiresMs = new X509Certificate(first.certificate).validToDate.getTime();
  }

  get figures(): CertificateFigures {
    return { reloaded: this.#reloaded, failed: this.#failed, expiresMs: this.#expiresMs };
  }

  /** @param intervalMs how often the files are looked at */
  watch(wheel: Wheel, intervalMs: number): void {
    this.#watch = { wheel, ticks: ticksOf(intervalMs) };
    wheel.schedule(this, this.#watch.ticks);
  }

  close(): void {
    this.#watch?.wheel.cancel(this);
    this.#watch = undefined;
  }

  due(): void {
    void this.look().then(() => this.#watch?.wheel.schedule(this, this.#watch.ticks));
  }

  /** Looks at the files, and takes what is new there. Never throws: what is wrong is logged, once, and counted. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  async #look(): Promise<void> {
    try {
      const pair = await readPair(this.#files);
      if (pair.certificate.equals(this.#seen.certificate) && pair.key.equals(this.#seen.key)) return;
      // Noted even when it is wrong: it is tried again when it has changed again.
      this.#seen = pair;
      this.#use(pair);
      this.#complaint = '';
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #use({ certificate, key }: CertificatePair): void {
    const options = { ...TLS_OPTIONS, cert: certificate, key };
    createSecureContext(options);
    const { validToDate, fingerprint256, subjectAltName } = new X509Certificate(certificate);
    this.#server.setSecureContext(options);
    this.#reloaded++;
    this.#expiresMs = validToDate.getTime();
    const fields = { names: subjectAltName, expires: validToDate.toISOString(), fingerprint: fingerprint256 };
    if (this.#expiresMs < Date.now()) this.#logger.warn(fields, 'the certificate was reloaded, and has expired');
    else this.#logger.info(fields, 'the certificate was reloaded');
  }

  #fail({ message }: Error): void {
    if (message === this.#complaint) return;
    this.#complaint = message;
    this.#failed++;
    this.#logger.error({ ...this.#files, error: message }, 'the new certificate is not used, and the old one goes on');
  }
}
