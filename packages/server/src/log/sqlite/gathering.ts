export class Gathering {
  delayMs(_nowMs: number): number { return 0; }
  committing(_nowMs: number, _appends: number): void {}
  figures(): Readonly<Record<string, number>> { return {}; }
}
