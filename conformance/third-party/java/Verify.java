// Reads deliveries from standard input, one a line: secret, id, timestamp, signature and the body in Base64, with tabs between.
// Prints "verified", or why not, for each.
import com.standardwebhooks.Webhook;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.http.HttpHeaders;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Map;

class Verify {
  public static void main(String[] args) throws Exception {
    var lines = new BufferedReader(new InputStreamReader(System.in));
    for (var line = lines.readLine(); line != null; line = lines.readLine()) {
      var parts = line.split("\t");
      var body = new String(Base64.getDecoder().decode(parts[4]), StandardCharsets.UTF_8);
      var headers = HttpHeaders.of(
          Map.of("webhook-id", List.of(parts[1]), "webhook-timestamp", List.of(parts[2]), "webhook-signature", List.of(parts[3])),
          (name, value) -> true);
      try {
        new Webhook(parts[0]).verify(body, headers);
        System.out.println("verified");
      } catch (Exception error) {
        System.out.println(error.getMessage());
      }
    }
  }
}
