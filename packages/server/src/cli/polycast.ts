#!/usr/bin/env node
import { useCompileCache } from '../platform/compile-cache.ts';

// Modules that are loaded from here on come from the cache, so this file imports no other.
useCompileCache();
const { runProcess } = await import('./command-line.ts');
await runProcess();
