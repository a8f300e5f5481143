import { chromium } from 'playwright-core';
import { TEST_TIMEOUT_MS } from './timeouts.ts';

/**
 * Runs before the test files that open a browser. A page may be late by more than Playwright's half
 * a minute when browsers share a busy machine.
 */
const launch = chromium.launch.bind(chromium);
chromium.launch = async (options) => {
  const browser = await launch(options);
  const newContext = browser.newContext.bind(browser);
  // `browser.newPage` calls it too.
  browser.newContext = async (contextOptions) => {
    const context = await newContext(contextOptions);
    context.setDefaultTimeout(TEST_TIMEOUT_MS);
    return context;
  };
  return browser;
};
