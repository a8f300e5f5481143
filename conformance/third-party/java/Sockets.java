// java Sockets CLIENT URL: waits for ready, publishes an event of 100 kB, reads it back, and closes: see sockets.slow.test.ts.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.java_websocket.client.WebSocketClient;
import org.java_websocket.drafts.Draft_6455;
import org.java_websocket.handshake.ServerHandshake;
import org.java_websocket.protocols.Protocol;

class Sockets {
  static final String PUBLISH = "{\"op\":\"publish\",\"ref\":1,\"channel\":\"sockets\",\"data\":\"" + "\u00e9".repeat(50_000) + "\"}";
  static final CompletableFuture<Void> OVER = new CompletableFuture<>();
  static int messages;

  public static void main(String[] args) throws Exception {
    System.setOut(new java.io.PrintStream(System.out, true, "UTF-8"));
    if (args[0].equals("Java-WebSocket")) javaWebSocket(args[1]);
    else jdk(args[1]);
    OVER.join();
    System.exit(0);
  }

  static void javaWebSocket(String url) {
    var draft = new Draft_6455(java.util.List.of(), java.util.List.of(new Protocol("polycast.v1")));
    new WebSocketClient(URI.create(url), draft) {
      @Override
      public void onOpen(ServerHandshake handshake) {
      }

      @Override
      public void onMessage(String text) {
        var protocol = messages == 0 ? getProtocol().getProvidedProtocol() + " " : "";
        System.out.println(protocol + text);
        if (messages++ == 0) send(PUBLISH);
        if (messages == 3) close(1000);
      }

      @Override
      public void onClose(int code, String reason, boolean remote) {
        System.out.println("closed " + code);
        OVER.complete(null);
      }

      @Override
      public void onError(Exception error) {
        OVER.completeExceptionally(error);
      }
    }.connect();
  }

  static void jdk(String url) {
    HttpClient.newHttpClient().newWebSocketBuilder().subprotocols("polycast.v1").buildAsync(URI.create(url),
        new WebSocket.Listener() {
          final StringBuilder text = new StringBuilder();

          @Override
          public CompletionStage<?> onText(WebSocket socket, CharSequence piece, boolean last) {
            text.append(piece);
            if (last) {
              System.out.println((messages == 0 ? socket.getSubprotocol() + " " : "") + text);
              text.setLength(0);
              if (messages++ == 0) socket.sendText(PUBLISH, true);
              if (messages == 3) socket.sendClose(1000, "");
            }
            socket.request(1);
            return null;
          }

          @Override
          public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
            System.out.println("closed " + code);
            OVER.complete(null);
            return null;
          }

          @Override
          public void onError(WebSocket socket, Throwable error) {
            OVER.completeExceptionally(error);
          }
        });
  }
}
