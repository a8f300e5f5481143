"""A device in Python without packages: commands by Server-Sent Events, readings in one batch."""
import json, os, random, sys, time, urllib.request

NAME = sys.argv[1]
HUB, REGISTRY = os.environ['SITE_URL'], os.environ['REGISTRY_URL']
CURSOR = os.path.join(os.environ['DATA_FOLDER'], 'cursor')
token = urllib.request.urlopen(f'{REGISTRY}/api/token/{NAME}').read().decode()


def request(path, body=None, **headers):
    headers['Authorization'] = f'Bearer {token}'
    return urllib.request.urlopen(urllib.request.Request(HUB + path, body, headers), timeout=60)


def publish(kind, data):
    body = json.dumps({'channel': f'devices.{NAME}.{kind}', 'type': kind, 'data': data})
    request('/v1/events', body.encode(), **{'Content-Type': 'application/json'}).read()


def cursor():
    return open(CURSOR).read() if os.path.exists(CURSOR) else 'earliest'


def follow():
    query = f'/v1/events?channel=devices.{NAME}.commands&after={cursor()}'
    identifier, data = '', ''
    for line in request(query, Accept='text/event-stream'):
        field, _, value = line.decode().rstrip('\n').partition(': ')
        if field == 'id':
            identifier = value
        elif field == 'data':
            data = value
        elif field == '' and data != '':
            event, data = json.loads(data), ''
            if event.get('type') == 'command':
                publish('acks', {'number': event['data']['number']})
                with open(CURSOR, 'w') as file:
                    file.write(identifier)


pause = 1
while True:
    try:
        readings = [{'celsius': round(random.uniform(15, 35), 1), 'at': int(time.time())} for _ in range(5)]
        publish('readings', {'readings': readings})
        pause = 1
        follow()
    except OSError:
        pass
    time.sleep(random.random() * pause)
    pause = min(pause * 2, 30)
