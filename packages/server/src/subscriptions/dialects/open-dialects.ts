import type { DialectService } from './dialect-service.ts';
import { openRestHooks } from './rest-hooks/routes.ts';
import { openWebSub, type WebSubDependencies } from './websub/open-websub.ts';

/**
 * The dialects with a service. They are no part of `registry.ts`, because the command line loads
 * that list without any HTTP.
 */
const OPENERS: readonly ((dependencies: WebSubDependencies) => DialectService)[] = [openRestHooks, openWebSub];

/** Opens the services of all dialects, as one. */
export function openDialectServices(dependencies: WebSubDependencies): DialectService {
  const services = OPENERS.map((open) => open(dependencies));
  return {
    routes: services.flatMap(({ routes }) => routes).map((route) => ({ ...route, subscriptionWork: 'newest' })),
    get memoryUsage() {
      return Object.fromEntries(services.flatMap(({ memoryUsage }) => Object.entries(memoryUsage)));
    },
    start: () => services.forEach((service) => service.start()),
    close: async () => {
      await Promise.all(services.map((service) => service.close()));
    },
  };
}
