<?php
declare(strict_types=1);

namespace Polycast;

use Illuminate\Broadcasting\BroadcastException;
use Illuminate\Broadcasting\Broadcasters\Broadcaster;
use Illuminate\Broadcasting\Broadcasters\UsePusherChannelConventions;
use Symfony\Component\HttpKernel\Exception\AccessDeniedHttpException;

/**
 * Laravel's broadcasts as events of a hub. `broadcast(new OrderPaid($order))` on the channel
 * `private-orders.42` becomes an event of the type `App\Events\OrderPaid` on the channel `private-orders.42`.
 */
final class PolycastBroadcaster extends Broadcaster
{
    use UsePusherChannelConventions;

    /** @param array{url: string, key: string, secret: string, issuer?: string} $config a connection of config/broadcasting.php */
    public function __construct(private readonly array $config)
    {
    }

    /** `POST /broadcasting/auth` with `channel_name`: whether the user may read the channel, by routes/channels.php. */
    public function auth($request)
    {
        $channel = (string) $request->channel_name;
        $name = $this->normalizeChannelName($channel);
        if ($this->isGuardedChannel($channel) && !$this->retrieveUser($request, $name)) {
            throw new AccessDeniedHttpException();
        }
        return parent::verifyUserCanAccessChannel($request, $name);
    }

    /** The page gets a token for this channel, and passes it to `connect` as `getToken`. */
    public function validAuthenticationResponse($request, $result)
    {
        $channel = (string) $request->channel_name;
        $user = $this->retrieveUser($request, $this->normalizeChannelName($channel));
        $id = (string) ($user?->getAuthIdentifier() ?? 'guest');
        $info = is_bool($result) ? null : $result;
        return ['token' => Token::sign($this->config, $id, [$channel], $info)];
    }

    /** @throws BroadcastException so that a queued broadcast is tried again */
    public function broadcast(array $channels, $event, array $payload = [])
    {
        // The socket that Laravel leaves out is one of its own; the hub leaves out a page's own events by `excludeSelf`.
        unset($payload['socket']);
        $events = array_map(
            static fn (string $channel): array => ['channel' => $channel, 'type' => $event, 'data' => $payload],
            $this->formatChannels($channels),
        );
        foreach ($this->publish($events) as $result) {
            if (isset($result['error'])) {
                throw new BroadcastException("The hub refused the broadcast: {$result['error']['title']}");
            }
        }
    }

    /**
     * @param list<array{channel: string, type: string, data: array}> $events
     * @return list<array> a result for each event
     */
    private function publish(array $events): array
    {
        $answer = @file_get_contents($this->config['url'] . '/v1/events', false, stream_context_create(['http' => [
            'method' => 'POST',
            'header' => ['Content-Type: application/json', "Authorization: Bearer {$this->config['key']}"],
            'content' => json_encode($events, JSON_THROW_ON_ERROR),
            'timeout' => 5,
            'ignore_errors' => true,
        ]]));
        $status = (int) explode(' ', $http_response_header[0] ?? 'no 0')[1];
        if ($status !== 200) {
            throw new BroadcastException("The hub has not taken the broadcast: $status $answer");
        }
        return json_decode($answer, true, flags: JSON_THROW_ON_ERROR);
    }
}
