<?php
// Reads so many events of a channel as a stream, with PHP's own streams alone: URL CHANNEL COUNT.
[, $hub, $channel, $count] = $argv;
$query = http_build_query(['channel' => $channel, 'after' => 'earliest']);
$options = ['header' => "Accept: text/event-stream\r\n", 'timeout' => 30];
$context = stream_context_create(['http' => $options]);
$stream = fopen("$hub/v1/events?$query", 'r', false, $context);

$name = null;
$data = [];
while ($count > 0 && ($line = fgets($stream)) !== false) {
    $line = rtrim($line, "\n");
    if ($line === '') {
        if ($data && $name === null) {
            $event = json_decode(implode("\n", $data), flags: JSON_THROW_ON_ERROR);
            assert($event->data->text === 'é');
            echo $event->id, ' ', $event->data->n, "\n";
            $count--;
        }
        [$name, $data] = [null, []];
    } elseif (str_starts_with($line, 'data: ')) {
        $data[] = substr($line, 6);
    } elseif (str_starts_with($line, 'event: ')) {
        $name = substr($line, 7);
    }
}
