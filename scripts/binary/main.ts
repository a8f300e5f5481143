import { load } from './loader.ts';

// The entry of a single executable.
load('polycast.js');
