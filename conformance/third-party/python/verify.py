# Reads deliveries from standard input, one a line: secret, id, timestamp, signature and the body in Base64, with tabs between.
# Prints "verified", or why not, for each.
import base64
import sys

from standardwebhooks import Webhook

for line in sys.stdin:
    secret, id, timestamp, signature, body = line.rstrip("\n").split("\t")
    headers = {"webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature}
    try:
        Webhook(secret).verify(base64.b64decode(body).decode(), headers)
        print("verified")
    except Exception as error:
        print(repr(error))
