// java Events CLIENT URL: prints whatever the client hands over, one JSON object a line: {"event","id","data"}.
import com.launchdarkly.eventsource.ConnectStrategy;
import com.launchdarkly.eventsource.ErrorStrategy;
import com.launchdarkly.eventsource.EventSource;
import com.launchdarkly.eventsource.MessageEvent;
import com.launchdarkly.eventsource.RetryDelayStrategy;
import com.launchdarkly.eventsource.StreamEvent;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import okhttp3.sse.EventSourceListener;
import okhttp3.sse.EventSources;

class Events {
  public static void main(String[] args) throws Exception {
    if (args[0].equals("okhttp-sse")) okHttp(args[1]);
    else launchDarkly(args[1]);
  }

  /** It reads; connecting again is its user's own affair. */
  static void okHttp(String url) throws Exception {
    var client = new OkHttpClient.Builder().readTimeout(0, TimeUnit.SECONDS).build();
    var last = new String[1];
    for (;;) {
      var over = new CountDownLatch(1);
      var request = new Request.Builder().url(url);
      if (last[0] != null) request.header("Last-Event-ID", last[0]);
      EventSources.createFactory(client).newEventSource(request.build(), new EventSourceListener() {
        @Override
        public void onEvent(okhttp3.sse.EventSource source, String id, String type, String data) {
          if (id != null) last[0] = id;
          show(type, id, data);
        }

        @Override
        public void onClosed(okhttp3.sse.EventSource source) {
          over.countDown();
        }

        @Override
        public void onFailure(okhttp3.sse.EventSource source, Throwable error, Response response) {
          over.countDown();
        }
      });
      over.await();
      Thread.sleep(200);
    }
  }

  static void launchDarkly(String url) {
    var source = new EventSource.Builder(ConnectStrategy.http(URI.create(url)).readTimeout(0, TimeUnit.SECONDS))
        .errorStrategy(ErrorStrategy.alwaysContinue())
        .retryDelay(300, TimeUnit.MILLISECONDS)
        .retryDelayStrategy(RetryDelayStrategy.defaultStrategy().maxDelay(1, TimeUnit.SECONDS))
        .build();
    for (StreamEvent event : source.anyEvents())
      if (event instanceof MessageEvent message)
        show(message.getEventName(), message.getLastEventId(), message.getData());
  }

  static void show(String event, String id, String data) {
    var line = "{\"event\":" + json(event == null ? "message" : event) + ",\"id\":" + json(id == null ? "" : id) + ",\"data\":"
        + json(data) + "}\n";
    System.out.writeBytes(line.getBytes(StandardCharsets.UTF_8));
    System.out.flush();
  }

  static String json(String text) {
    return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\r", "\\r").replace("\n", "\\n") + "\"";
  }
}
