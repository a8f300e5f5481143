// What a page with a build step does: a bundler includes the client.
import { connect } from '@polycast/client';

globalThis.connectToHub = connect;
