/**
 * The anchor of a heading, as GitHub derives it: `GET /v1/events` is `get-v1events`. So a link to a
 * heading works in a checkout and on the site.
 */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}
