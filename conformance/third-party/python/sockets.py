# python sockets.py CLIENT URL: waits for ready, publishes an event of 100 kB, reads it back, and closes: see sockets.slow.test.ts.
import asyncio
import sys

client, url = sys.argv[1:3]
PUBLISH = '{"op":"publish","ref":1,"channel":"sockets","data":"' + "é" * 50_000 + '"}'
sys.stdout.reconfigure(encoding="utf-8")


def websocket_client():
    import websocket

    socket = websocket.create_connection(url, subprotocols=["polycast.v1"])
    print(socket.getsubprotocol(), socket.recv())
    socket.send(PUBLISH)
    for _ in range(2):
        print(socket.recv())
    socket.send_close(1000)
    opcode, data = socket.recv_data(control_frame=True)
    print("closed", int.from_bytes(data[:2], "big"))


async def websockets():
    from websockets.asyncio.client import connect

    async with connect(url, subprotocols=["polycast.v1"]) as socket:
        print(socket.subprotocol, await socket.recv())
        await socket.send(PUBLISH)
        for _ in range(2):
            print(await socket.recv())
        await socket.close(1000)
        print("closed", socket.close_code)


if client == "websockets":
    asyncio.run(websockets())
else:
    websocket_client()
