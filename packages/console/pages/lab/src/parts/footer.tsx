import type { VNode } from 'preact';

export function Footer(): VNode {
  return (
    <footer class="bottom">
      <h2>How this is measured</h2>
      <p>
        Each transport reaches the hub through its own TCP proxy, on its own port. The proxy changes no byte; it counts
        and shows the bytes, and simulates faults. Bytes are those of HTTP and WebSocket; the overhead of TCP and IP is
        not counted. <b>Delay</b> is the time from the kitchen’s request leaving this browser to the transport’s code
        receiving the event, on one clock; the value is the median. It includes the time that the hub needs to make the
        event durable.
      </p>
      <p>
        For the <b>webhook</b>, the hub sends requests and a small receiver answers: “up” is what the hub sends. While
        one event fails, later events of the same channel wait, in order.
      </p>
      <p>
        All five read the same log with the same kind of cursor. A transport that was cut off therefore resumes exactly
        where it was, and none of them can miss an event without receiving a <b>gap</b>.
      </p>
    </footer>
  );
}
