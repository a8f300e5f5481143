# python events.py CLIENT URL: prints whatever the client hands over, one JSON object a line: {"event", "id", "data"}.
import asyncio
import importlib.util
import json
import os
import sys
import sysconfig
import time

client, url = sys.argv[1:3]
HEADERS = {"Accept": "text/event-stream"}


def show(event):
    name = getattr(event, "event", None) or getattr(event, "type", None) or "message"
    last = getattr(event, "id", None) or getattr(event, "last_event_id", None) or ""
    print(json.dumps({"event": name, "id": last, "data": event.data}), flush=True)
    return last


def again(read):
    """What a client does not do itself: connect again, with the id of the last message."""
    last = ""
    while True:
        try:
            headers = {**HEADERS, "Last-Event-ID": last} if last else HEADERS
            for event in read(headers):
                last = show(event) or last
        except Exception as error:
            print("connects again:", repr(error), file=sys.stderr)
        time.sleep(0.2)


def httpx_sse():
    import httpx
    from httpx_sse import connect_sse

    def read(headers):
        with httpx.Client(timeout=None) as http, connect_sse(http, "GET", url, headers=headers) as source:
            yield from source.iter_sse()

    again(read)


def sseclient_py():
    import requests
    import sseclient

    def read(headers):
        yield from sseclient.SSEClient(requests.get(url, stream=True, headers=headers)).events()

    again(read)


def sseclient_0():
    # A module of the same name as the package of sseclient-py, which is found first.
    path = os.path.join(sysconfig.get_paths()["purelib"], "sseclient.py")
    spec = importlib.util.spec_from_file_location("sseclient_0", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    again(lambda headers: iter(module.SSEClient(url, last_id=headers.get("Last-Event-ID"), retry=200)))


def requests_sse():
    from requests_sse import EventSource

    def read(headers):
        with EventSource(url, headers=headers, max_connect_retry=0) as source:
            yield from source

    again(read)


def requests_lines():
    import requests

    class Event:
        pass

    def read(headers):
        event = {}
        # As its documentation has it. Its parts of 512 bytes end where the chunks of the answer end.
        for line in requests.get(url, stream=True, headers=headers).iter_lines(decode_unicode=True):
            if line == "":
                if "data" in event:
                    made = Event()
                    made.event, made.id, made.data = event.get("event"), event.get("id"), event["data"]
                    yield made
                event = {}
            elif not line.startswith(":"):
                name, _, value = line.partition(": ")
                event[name] = value

    again(read)


def aiohttp_sse_client2():
    from aiohttp_sse_client2 import client as sse

    last = ""

    async def read():
        nonlocal last
        headers = {"Last-Event-ID": last} if last else {}
        async with sse.EventSource(url, headers=headers) as source:
            async for event in source:
                last = show(event) or last

    async def forever():
        while True:
            try:
                await read()
            except Exception as error:
                print("connects again:", repr(error), file=sys.stderr)
            await asyncio.sleep(0.2)

    asyncio.run(forever())


{
    "httpx-sse": httpx_sse,
    "sseclient-py": sseclient_py,
    "sseclient": sseclient_0,
    "requests-sse": requests_sse,
    "requests iter_lines": requests_lines,
    "aiohttp-sse-client2": aiohttp_sse_client2,
}[client]()
