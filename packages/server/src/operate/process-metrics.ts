import { performance } from 'node:perf_hooks';
import { countOpenFiles, openFilesMax, type DiskSpace } from './host-resources.ts';
import { counter, gauge, optionalGauge, type MetricDefinition } from './metric-definition.ts';

export interface ProcessSources {
  /** The version of the package, for example `0.1.0`. */
  readonly version: string;
  /** The disk of the data folder; `undefined` for data in memory. */
  readonly disk: () => Promise<DiskSpace | undefined>;
}

/**
 * The metrics of the process, by the names that clients of Prometheus in all languages use, so that
 * dashboards for any process work. The files of `/proc` exist on Linux only: elsewhere these
 * metrics are empty.
 */
export function processMetrics({ version, disk }: ProcessSources): readonly MetricDefinition[] {
  const startSeconds = Date.now() / 1000 - process.uptime();
  return [
    {
      name: 'polycast_build_info',
      help: '1, with the versions of the hub and of Node.js.',
      kind: 'gauge',
      labels: ['version', 'node_version'],
      rows: () => [[[version, process.versions.node], 1]],
    },
    counter('process_cpu_seconds_total', 'Processor time of the process, in user and system mode.', () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    }),
    gauge('process_start_time_seconds', 'Start of the process, in seconds since 1970.', () => startSeconds),
    gauge('process_resident_memory_bytes', 'Resident memory of the process.', () => process.memoryUsage.rss()),
    optionalGauge('process_open_fds', 'Open file descriptors: sockets and files.', countOpenFiles),
    optionalGauge('process_max_fds', 'The limit of open file descriptors.', openFilesMax),
    gauge(
      'nodejs_heap_size_used_bytes',
      'Used memory of the JavaScript heap of the main thread.',
      () => process.memoryUsage().heapUsed,
    ),
    gauge(
      'nodejs_external_memory_bytes',
      'Memory outside of the JavaScript heap that its objects hold: buffers above all.',
      () => process.memoryUsage().external,
    ),
    counter(
      'polycast_event_loop_active_seconds_total',
      'Time in which the event loop of the main thread worked. A rate near 1 means that the hub has no capacity left.',
      () => performance.eventLoopUtilization().active / 1000,
    ),
    optionalGauge(
      'polycast_data_free_bytes',
      'Free space of the file system of the data folder.',
      async () => (await disk())?.freeBytes,
    ),
    optionalGauge(
      'polycast_data_size_bytes',
      'Size of the file system of the data folder.',
      async () => (await disk())?.sizeBytes,
    ),
  ];
}
