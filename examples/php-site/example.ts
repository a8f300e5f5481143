import type { Example } from '../kit/example.ts';

/** The browser knows the front alone, so that the page names no other origin. */
const SITE =
  'POLYCAST_PUBLIC_URL=$SITE_URL exec php -d session.save_path=$DATA_FOLDER -S 127.0.0.1:$PORT site/index.php';

export const example: Example = {
  title: 'A town in PHP',
  summary: 'A site in PHP with its own login and sessions: news for all, letters for one, no other server language.',
  services: {
    site: {
      command: ['sh', '-c', SITE],
      // The secret of polycast.yaml.
      environment: { POLYCAST_SECRET: 'only-the-hub-and-the-site-know-this' },
    },
  },
  routes: { '/': 'site' },
  hubEnvironment: ({ SITE_URL }) => ({ POLYCAST_IDENTITY_SITE_LOGIN_URL: `${SITE_URL}/polycast/login` }),
};
