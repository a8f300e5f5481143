import { h } from 'vue';
import type { Theme } from 'vitepress';
import DefaultTheme from 'vitepress/theme-without-fonts';
import fan from './fan.svg?raw';
import { useHubAddress } from './hub-address.ts';
import { useLanguages } from './languages.ts';
import './style.css';
import './home.css';
import './diagrams.css';
import './reference.css';

/** The default theme in the colours of the Transport Lab, with a drawing on the first page. */
const theme: Theme = {
  extends: DefaultTheme,
  setup() {
    useLanguages();
    useHubAddress();
  },
  Layout: () =>
    h(DefaultTheme.Layout, null, { 'home-hero-image': () => h('div', { class: 'fan-frame', innerHTML: fan }) }),
};
export default theme;
