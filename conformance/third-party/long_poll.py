"""Reads so many events of a channel by long polls, with the standard library alone: URL CHANNEL COUNT."""
import json
import sys
import urllib.parse
import urllib.request

hub, channel, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
cursor = "earliest"
while count > 0:
    query = urllib.parse.urlencode({"channel": channel, "after": cursor, "wait": 20, "limit": 7})
    with urllib.request.urlopen(f"{hub}/v1/events?{query}", timeout=30) as response:
        answer = json.load(response)
    cursor = answer["cursor"]
    for event in answer["events"]:
        assert event["data"]["text"] == "é"
        print(event["id"], event["data"]["n"], flush=True)
        count -= 1
