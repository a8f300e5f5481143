"""Uses a hub through the client that openapi-python-client has made: URL KEY. Prints what came of it, a line of JSON each."""
import json
import sys

from polycast_client import AuthenticatedClient
from polycast_client.api.events import publish_events, publish_to_channel, read_channel, read_events, read_history
from polycast_client.api.subscriptions import (
    acknowledge_events,
    change_subscription,
    create_subscription,
    pull_events,
    read_subscription,
)
from polycast_client.api.users import publish_to_users
from polycast_client.models import (
    AcknowledgeEventsBody,
    NewEvent,
    NewPullDelivery,
    NewSubscription,
    NewWebhookDelivery,
    PrivateMessageToUsers,
    PullEventsBody,
    SubscriptionChanges,
)


def show(*values) -> None:
    print(json.dumps(values), flush=True)


client = AuthenticatedClient(base_url=sys.argv[1], token=sys.argv[2], raise_on_unexpected_status=True)

pull = NewSubscription(channels=["orders.>"], delivery=NewPullDelivery(kind="pull"))
queue = create_subscription.sync(client=client, body=pull)
webhook = create_subscription.sync(
    client=client,
    body=NewSubscription(
        channels=["orders.>"],
        types=["order.made"],
        delivery=NewWebhookDelivery(kind="webhook", url="http://127.0.0.1:9/", timeout_ms=1000),
    ),
)
show("subscriptions", queue.state, type(queue.delivery).__name__, webhook.state, webhook.delivery.url)

one = publish_events.sync(client=client, body=NewEvent(channel="orders.1", data={"text": "é"}, type_="order.made"))
show("published", one.id, one.channel)
many = publish_events.sync(client=client, body=[NewEvent(channel="orders.2", data=n) for n in range(3)])
show("list", [result.channel for result in many])
refused = publish_events.sync_detailed(client=client, body=NewEvent(channel="not a channel", data=1))
show("refused", refused.status_code, refused.parsed.code)
publish_to_channel.sync(client=client, channel="orders.3", body={"as": "it is"})
show("newest", read_channel.sync(client=client, channel="orders.3").payload.read().decode())
messages = publish_to_users.sync(client=client, body=PrivateMessageToUsers(data=1, users=["ann", "bob"]))
show("messages", [result.channel for result in messages.results])

page = read_events.sync(client=client, channel=["orders.>"], after="earliest", limit=2)
show("poll", [[event.channel, event.data if isinstance(event.data, int) else event.data["text"]] for event in page.events])
rest = read_events.sync(client=client, channel=["orders.>"], after=page.cursor)
show("rest", [event.channel for event in rest.events])
unchanged = read_events.sync_detailed(client=client, channel=["orders.>"], after=rest.cursor, wait=0)
show("nothing", unchanged.status_code, unchanged.parsed.events)
show("last", [event.channel for event in read_events.sync(client=client, channel=["orders.>"], history=1).events])
show("history", [event.id == one.id for event in read_history.sync(client=client, channel="orders.1").events])

got = pull_events.sync(client=client, id=queue.id, body=PullEventsBody(count=10))
show("pulled", [leased.event.channel for leased in got.events])
leases = AcknowledgeEventsBody(leases=[leased.lease for leased in got.events])
show("acknowledged", acknowledge_events.sync(client=client, id=queue.id, body=leases).count)
change_subscription.sync(client=client, id=webhook.id, body=SubscriptionChanges(description="changed"))
changed = read_subscription.sync(client=client, id=webhook.id)
show("changed", changed.description, changed.types, changed.delivery.timeout_ms)
