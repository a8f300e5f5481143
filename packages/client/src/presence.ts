export function presence(): void {}
