<?php
declare(strict_types=1);

/** What the site sends to the hub: three requests, with functions that PHP includes. */

/** The hub has not taken a request, or does not answer. */
class HubError extends RuntimeException {}

/** The hub's address on this machine. */
const HUB_DEFAULT = 'http://127.0.0.1:7400';

/** To everybody who reads the channel. */
function publish_news(string $channel, mixed $data): void
{
    hub_request('POST', '/v1/events', ['channel' => $channel, 'type' => 'news', 'data' => $data]);
}

/** To one user, on all of their devices. The hub stores it for devices that are offline. */
function send_letter(string $user, mixed $data): void
{
    hub_request('POST', '/v1/users/' . rawurlencode($user) . '/events', ['type' => 'letter', 'data' => $data]);
}

/** Ends the user's streams. The hub asks the site again when a client comes back. */
function disconnect(string $user): void
{
    hub_request('POST', '/v1/users/' . rawurlencode($user) . '/disconnect', ['reason' => 'logged out']);
}

function hub_url(): string
{
    return getenv('POLYCAST_URL') ?: HUB_DEFAULT;
}

/** The hub's address for browsers: that of the site, where a proxy passes `/v1/` and `/client.js` on. */
function public_hub_url(): string
{
    return getenv('POLYCAST_PUBLIC_URL') ?: hub_url();
}

function hub_request(string $method, string $path, array $body): array
{
    $answer = @file_get_contents(hub_url() . $path, false, stream_context_create(['http' => [
        'method' => $method,
        'header' => ['Content-Type: application/json', 'Authorization: Bearer ' . getenv('POLYCAST_KEY')],
        'content' => json_encode($body, JSON_THROW_ON_ERROR),
        'timeout' => 5,
        'follow_location' => 0,
        'ignore_errors' => true,
    ]]));
    $status = (int) explode(' ', $http_response_header[0] ?? 'no 0')[1];
    if ($status < 200 || $status > 299) {
        throw new HubError("The hub answered $status to $method $path: $answer");
    }
    return $answer === '' ? [] : json_decode($answer, true, flags: JSON_THROW_ON_ERROR);
}
