"""A device in Python without packages: commands by Server-Sent Events, readings in one batch."""
import json, os, random, sys, time, urllib.request

NAME = sys.argv[1]
HUB, REGISTRY = os.environ['SITE_URL'], os.environ['REGISTRY_URL']
CURSOR = os.path.join(os.environ['DATA_FOLDER'], 'cursor')
token = ''


def request(path, body=None, **headers):
    headers['Authorization'] = f'Bearer {token}'
    return urllib.request.urlopen(urllib.request.Request(HUB + path, body, headers), timeout=60)


def publish(kind, data, key):
    # The same key again is the same event: the hub stores it once.
    body = json.dumps({'channel': f'devices.{NAME}.{kind}', 'type': kind, 'data': data})
    request('/v1/events', body.encode(), **{'Content-Type': 'application/json', 'Idempotency-Key': f'{NAME}-{kind}-{key}'}).read()


def cursor():
    return open(CURSOR).read() if os.path.exists(CURSOR) else 'earliest'


def remember(identifier):
    with open(f'{CURSOR}.new', 'w') as file:
        file.write(identifier)
    os.replace(f'{CURSOR}.new', CURSOR)  # a loss of power leaves the one before


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
                publish('acks', {'number': event['data']['number']}, event['data']['number'])
                remember(identifier)


pause = 1
while True:
    try:
        if token == '':
            token = urllib.request.urlopen(f'{REGISTRY}/api/token/{NAME}').read().decode()
        readings = [{'celsius': round(random.uniform(15, 35), 1), 'at': int(time.time())} for _ in range(5)]
        publish('readings', {'readings': readings}, time.time())
        pause = 1
        follow()
    except OSError as error:
        if getattr(error, 'code', 0) == 401:
            token = ''  # it has expired
    time.sleep(random.random() * pause)
    pause = min(pause * 2, 30)
