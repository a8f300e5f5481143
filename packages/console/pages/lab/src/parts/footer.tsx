import type { VNode } from 'preact';

export function Footer(): VNode {
  return (
    <footer class="bottom">
      <h2>How this is measured</h2>
      <p>
        Each lane reaches the hub through a TCP proxy of its own, on a port of its own. The proxy changes no byte; it
        counts them, shows them, and breaks when you tell it to. Bytes are those of HTTP and WebSocket; what TCP and IP
        add is not counted. <b>Knew after</b> is the time from the kitchen’s request leaving this browser to the lane’s
        code having the event in its hands, by one clock; the figure is the median. It contains the time that the hub
        takes to make the event durable.
      </p>
      <p>
        Of the <b>webhook</b>, the hub asks and a small receiver beside it answers: “up” is what the hub sends. While
        one event fails, those of the same channel wait behind it, in order.
      </p>
      <p>
        All five read the same log by the same cursor, which is why a lane that was cut off comes back to exactly where
        it was, and why none of them can miss an event without being told of a <b>gap</b>.
      </p>
    </footer>
  );
}
