/** The variables of a theme: the names in a portal link, and the custom properties of the page. */
const PROPERTIES: Readonly<Record<string, string>> = {
  accent: '--accent',
  background: '--background',
  surface: '--surface',
  text: '--text',
  radius: '--radius',
};

/**
 * Applies the theme of a portal link. It sets properties one by one, which a policy without
 * `unsafe-inline` allows, and which cannot add a rule.
 */
export function applyTheme(theme: Readonly<Record<string, string>>, { style, dataset }: HTMLElement): void {
  for (const [name, value] of Object.entries(theme)) {
    const property = PROPERTIES[name];
    if (property !== undefined) style.setProperty(property, value);
  }
  const { appearance } = theme;
  if (appearance === 'light' || appearance === 'dark') dataset['appearance'] = appearance;
}
