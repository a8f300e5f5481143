#!/usr/bin/env node
import { useCompileCache } from '../platform/compile-cache.ts';

// Modules that are loaded from here on come from the cache, so this file imports no other.
useCompileCache();
void import('./command-line.ts').then(({ runProcess }) => runProcess());
