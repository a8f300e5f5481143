// nchan in Debian's nginx: one worker, messages in memory.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freshFolder } from '../harness/folders.ts';
import { answersRequests, freePort, outputOf, serverCore, startPinned, waitUntilReady } from '../harness/processes.ts';
import type { Peer } from './peer.ts';

const modulePath = '/usr/lib/nginx/modules/ngx_nchan_module.so';

export const nchan: Peer = {
  name: 'nchan',
  unavailable: () =>
    existsSync(modulePath) && outputOf('nginx', '-v') !== undefined
      ? undefined
      : 'nginx with nchan is not installed (Debian: nginx-light, libnginx-mod-nchan)',
  version: () => {
    const module = outputOf('dpkg-query', '-W', '-f', '${Version}', 'libnginx-mod-nchan') ?? 'unknown version';
    return `nchan ${module}, ${outputOf('nginx', '-v')?.replace('nginx version: ', '') ?? 'nginx'}`;
  },
  start: async () => {
    const port = await freePort();
    const folder = freshFolder('nchan');
    const file = join(folder, 'nginx.conf');
    writeFileSync(file, configuration(port, folder));
    const process = startPinned(['nginx', '-c', file, '-e', 'stderr'], { core: serverCore });
    await waitUntilReady(process, () => answersRequests(port));
    return { port, process };
  },
  subscribeOptions: (transport) => ({ subscribePath: transport === 'sse' ? '/sse/{c}' : '/websocket/{c}' }),
  publishOptions: () => ({ publishPath: '/publish/{c}', publishHeader: 'Content-Type: application/json' }),
};

// The tuned settings, with reasons:
// - access_log off, one worker, epoll with multi_accept: no additional work;
// - worker_connections: nginx allocates the table at start, so it does not count against a
//   connection;
// - small header buffers and pools: the least memory for a waiting connection;
// - keepalive_requests and reset_timedout: publishers keep their connections through a run;
// - shared memory of 512 MB and a message buffer for a whole run, so that nothing is dropped.
function configuration(port: number, folder: string): string {
  const asRoot = process.getuid?.() === 0 ? 'user root;' : '';
  return `
load_module ${modulePath};
${asRoot}
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 19000; use epoll; multi_accept on; }
http {
  access_log off;
  tcp_nodelay on;
  keepalive_requests 100000000;
  keepalive_timeout 3600s;
  client_header_buffer_size 512;
  large_client_header_buffers 4 4k;
  connection_pool_size 256;
  request_pool_size 1k;
  client_body_buffer_size 32k;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  nchan_shared_memory_size 512M;
  nchan_message_buffer_length 500;
  nchan_message_timeout 10m;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location ~ ^/publish/(.+)$ {
      nchan_publisher;
      nchan_channel_id $1;
      nchan_channel_group bench;
    }
    location ~ ^/sse/(.+)$ {
      nchan_subscriber eventsource;
      nchan_channel_id $1;
      nchan_channel_group bench;
      nchan_subscriber_first_message newest;
      nchan_eventsource_ping_interval 0;
    }
    location ~ ^/sse-all/(.+)$ {
      nchan_subscriber eventsource;
      nchan_channel_id $1;
      nchan_channel_group bench;
      nchan_subscriber_first_message oldest;
    }
    location ~ ^/websocket/(.+)$ {
      nchan_subscriber websocket;
      nchan_channel_id $1;
      nchan_channel_group bench;
      nchan_subscriber_first_message newest;
    }
  }
}
`;
}
