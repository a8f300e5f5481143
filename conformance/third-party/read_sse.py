"""Reads so many events of a channel as a stream, with the standard library alone: URL CHANNEL COUNT."""
import http.client
import json
import sys
import urllib.parse

hub, channel, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
connection = http.client.HTTPConnection(urllib.parse.urlsplit(hub).netloc, timeout=30)
query = urllib.parse.urlencode({"channel": channel, "after": "earliest"})
connection.request("GET", "/v1/events?" + query, headers={"Accept": "text/event-stream"})
response = connection.getresponse()
assert response.status == 200, response.status

name, data = None, []
while count > 0:
    line = response.readline().decode("utf-8").rstrip("\n")
    if line == "":
        if data and name is None:
            event = json.loads("\n".join(data))
            assert event["data"]["text"] == "é"
            print(event["id"], event["data"]["n"], flush=True)
            count -= 1
        name, data = None, []
    elif line.startswith("data: "):
        data.append(line[6:])
    elif line.startswith("event: "):
        name = line[7:]
