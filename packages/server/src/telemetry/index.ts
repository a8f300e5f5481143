/** What composition loads of this folder, late and in one piece. */
export { DeliverySpans } from './delivery-spans.ts';
export { openTelemetry } from './open-telemetry.ts';
export { TracedPublisher } from './traced-publisher.ts';
export { TracedPulls } from './traced-pulls.ts';
