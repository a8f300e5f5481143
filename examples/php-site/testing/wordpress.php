<?php
declare(strict_types=1);

/**
 * WordPress, as far as the plugin uses it: functions with the names, parameters and results of WordPress, in plain PHP.
 *
 *     php -S 127.0.0.1:3000 wordpress.php
 */

$actions = [];

function add_action(string $hook, callable $callback, int $priority = 10, int $accepted_args = 1): bool
{
    global $actions;
    $actions[$hook][$priority][] = [$callback, $accepted_args];
    return true;
}

function do_action(string $hook, mixed ...$arguments): void
{
    global $actions;
    ksort($actions[$hook]);
    foreach (array_merge(...$actions[$hook]) as [$callback, $accepted]) {
        $callback(...array_slice($arguments, 0, $accepted));
    }
}

function wp_remote_post(string $url, array $options): array|false
{
    $headers = array_map(static fn (string $name, string $value): string => "$name: $value", array_keys($options['headers']), $options['headers']);
    $body = @file_get_contents($url, false, stream_context_create(['http' => [
        'method' => 'POST', 'header' => $headers, 'content' => $options['body'], 'timeout' => $options['timeout'], 'ignore_errors' => true,
    ]]));
    return $body === false ? false : ['body' => $body, 'response' => ['code' => (int) explode(' ', $http_response_header[0])[1]]];
}

function is_wp_error(mixed $answer): bool
{
    return $answer === false;
}

function wp_remote_retrieve_response_code(array $answer): int
{
    return $answer['response']['code'];
}

function get_permalink(object $post): string
{
    return "https://blog.example/?p=$post->ID";
}

define('POLYCAST_URL', getenv('POLYCAST_URL'));
define('POLYCAST_KEY', getenv('POLYCAST_KEY'));
require __DIR__ . '/../wordpress/polycast.php';

if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    $post = (object) ['ID' => (int) $_GET['id'], 'post_type' => $_GET['type'] ?? 'post', 'post_title' => 'Bread & butter'];
    do_action('transition_post_status', $_GET['new'], $_GET['old'], $post);
    exit('saved');
}
echo '<!doctype html><title>Blog</title><main>Posts</main>';
do_action('wp_footer');
