<?php
// Reads so many events of a channel by long polls, with PHP's own streams alone: URL CHANNEL COUNT.
[, $hub, $channel, $count] = $argv;
$cursor = 'earliest';
while ($count > 0) {
    $query = http_build_query(['channel' => $channel, 'after' => $cursor, 'wait' => 20, 'limit' => 7]);
    $answer = json_decode(file_get_contents("$hub/v1/events?$query"), flags: JSON_THROW_ON_ERROR);
    $cursor = $answer->cursor;
    foreach ($answer->events as $event) {
        assert($event->data->text === 'é');
        echo $event->id, ' ', $event->data->n, "\n";
        $count--;
    }
}
