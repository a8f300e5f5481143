// What a page without a build step does: it imports the client from a file.
import { connect } from './client.js';

globalThis.connectToHub = connect;
