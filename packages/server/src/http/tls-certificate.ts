import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Server } from 'node:https';
import { ticksOf, type WheelTimer, type TimingWheel } from '../core/primitives/timing-wheel.ts';
import type { Logger } from '../core/ports.ts';

export interface CertificateFiles {
  /** Paths of PEM files. */
  readonly certificate: string;
  readonly key: string;
}

export interface CertificatePair {
  readonly certificate: Buffer;
  readonly key: Buffer;
}

/** Counts since the hub started. */
export interface CertificateStats {
  readonly reloaded: number;
  readonly failed: number;
  /** The expiry of the certificate in use, in milliseconds since 1970. */
  readonly expiresMs: number;
}

/** The options of every TLS context, the first and its replacements. */
export const TLS_OPTIONS = { minVersion: 'TLSv1.2' } as const;

export async function readCertificatePair(files: CertificateFiles): Promise<CertificatePair> {
  const [certificate, key] = await Promise.all([readFile(files.certificate), readFile(files.key)]);
  return { certificate, key };
}

/**
 * Reloads a server's certificate when its files change (PROTOCOL.md section 13.8). The files are
 * read at an interval. A new pair is used once it is complete: a certificate and its key. Until
 * then new connections get the old one; open ones keep theirs.
 */
export class TlsCertificate implements WheelTimer {
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;
  readonly #server: Pick<Server, 'setSecureContext'>;
  #files: CertificateFiles;
  readonly #logger: Logger;
  #lastRead: CertificatePair;
  #expiresMs: number;
  #reloaded = 0;
  #failed = 0;
  #lastError = '';
  #reloading: Promise<void> | undefined;
  #schedule: { readonly wheel: TimingWheel; readonly ticks: number } | undefined;

  /** @param initial the pair that the server was created with */
  constructor(
    server: Pick<Server, 'setSecureContext'>,
    files: CertificateFiles,
    initial: CertificatePair,
    logger: Logger,
  ) {
    this.#server = server;
    this.#files = files;
    this.#logger = logger;
    this.#lastRead = initial;
    this.#expiresMs = new X509Certificate(initial.certificate).validToDate.getTime();
  }

  get stats(): CertificateStats {
    return { reloaded: this.#reloaded, failed: this.#failed, expiresMs: this.#expiresMs };
  }

  /** @param intervalMs the interval between two reads of the files */
  watch(wheel: TimingWheel, intervalMs: number): void {
    this.#schedule = { wheel, ticks: ticksOf(intervalMs) };
    wheel.schedule(this, this.#schedule.ticks);
  }

  close(): void {
    this.#schedule?.wheel.cancel(this);
    this.#schedule = undefined;
  }

  onTimer(): void {
    void this.reload().then(() => this.#schedule?.wheel.schedule(this, this.#schedule.ticks));
  }

  /** Reads other files from now on. */
  useFiles(files: CertificateFiles): void {
    this.#files = files;
  }

  /** Reads the files and applies a new pair. Never throws: an error is counted and logged once. */
  reload(): Promise<void> {
    this.#reloading ??= this.#look().finally(() => (this.#reloading = undefined));
    return this.#reloading;
  }

  async #look(): Promise<void> {
    try {
      const pair = await readCertificatePair(this.#files);
      if (pair.certificate.equals(this.#lastRead.certificate) && pair.key.equals(this.#lastRead.key)) return;
      // Remembers an invalid pair too: it is tried again after the next change.
      this.#lastRead = pair;
      this.#apply(pair);
      this.#lastError = '';
    } catch (error) {
      this.#reportError(error as Error);
    }
  }

  #apply({ certificate, key }: CertificatePair): void {
    const options = { ...TLS_OPTIONS, cert: certificate, key };
    // Not by an import, which would load TLS at each start.
    process.getBuiltinModule('node:tls').createSecureContext(options);
    const { validToDate, fingerprint256, subjectAltName } = new X509Certificate(certificate);
    this.#server.setSecureContext(options);
    this.#reloaded++;
    this.#expiresMs = validToDate.getTime();
    const fields = { names: subjectAltName, expires: validToDate.toISOString(), fingerprint: fingerprint256 };
    if (this.#expiresMs < Date.now()) this.#logger.warn(fields, 'tls: certificate reloaded, but it has expired');
    else this.#logger.info(fields, 'tls: certificate reloaded');
  }

  #reportError({ message }: Error): void {
    if (message === this.#lastError) return;
    this.#lastError = message;
    this.#failed++;
    this.#logger.error(
      { ...this.#files, error: message },
      'tls: reload of the certificate failed, the previous one stays in use',
    );
  }
}
