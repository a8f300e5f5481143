<?php
declare(strict_types=1);

/**
 * A site with its own users, its own sessions and its own login form, beside a Polycast hub:
 *
 *     php -S 127.0.0.1:3000 site/index.php
 *
 * The session cookie is all that the browser has. The hub sends it to /polycast/login, which answers with its user.
 */

require 'hub.php';
require 'sessions.php';
require 'users.php';

// Details are for the log, and not for the visitor.
set_exception_handler(static function (Throwable $error): void {
    error_log((string) $error);
    $error instanceof HubError ? back('/?failed') : refuse(500, 'Something went wrong here.');
});

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
match ($_SERVER['REQUEST_METHOD'] . ' ' . $path) {
    'GET /' => show_page(),
    'POST /login' => log_in(),
    'POST /logout' => log_out(),
    'POST /news' => post_news(),
    'POST /letters' => post_letter(),
    'POST /polycast/login' => answer_hub(),
    default => refuse(404, 'There is no such page.'),
};

function show_page(): void
{
    start_session();
    session_write_close();
    header('Content-Type: text/html; charset=utf-8');
    header('X-Content-Type-Options: nosniff');
    header("Content-Security-Policy: frame-ancestors 'none'");
    require 'page.php';
}

function log_in(): void
{
    start_session();
    check_form();
    $user = user_with_password($_POST['user'] ?? '', $_POST['password'] ?? '');
    if ($user === null) {
        refuse(403, 'The name or the password is not right.');
    }
    // Another id than before the login: nobody can have planted it.
    session_regenerate_id(true);
    $_SESSION['user'] = $user;
    back();
}

function log_out(): void
{
    start_session();
    check_form();
    $user = $_SESSION['user'] ?? null;
    // First the session, then the connections: a client that reconnects at once is already anonymous.
    end_session();
    try {
        if ($user !== null) {
            disconnect($user);
        }
    } catch (HubError $error) {
        // The user is logged out anyway: the hub asks again after `ttlSeconds`.
        error_log($error->getMessage());
    }
    back();
}

function post_news(): void
{
    $user = logged_in();
    publish_news('news.town', ['text' => (string) ($_POST['text'] ?? ''), 'by' => USERS[$user]['name']]);
    back();
}

function post_letter(): void
{
    $user = logged_in();
    $to = (string) ($_POST['to'] ?? '');
    if (!isset(USERS[$to])) {
        refuse(404, 'There is no such user.');
    }
    send_letter($to, ['text' => (string) ($_POST['text'] ?? ''), 'from' => USERS[$user]['name']]);
    back();
}

/** The hub asks whose session this is. It proves itself by the secret that both know. */
function answer_hub(): void
{
    $secret = (string) getenv('POLYCAST_SECRET');
    if ($secret === '' || !hash_equals($secret, $_SERVER['HTTP_POLYCAST_SECRET'] ?? '')) {
        refuse(403, 'Only the hub may ask.');
    }
    $question = json_decode((string) file_get_contents('php://input'), true) ?? [];
    $user = user_of_session((string) ($question['cookies'][SESSION_COOKIE] ?? ''));
    header('Content-Type: application/json');
    echo json_encode($user === null ? ['user' => null] : [
        'user' => $user,
        'info' => ['name' => USERS[$user]['name']],
        'ttlSeconds' => 60,
    ]);
}

/** The user, for a form that only they can have sent. The session's lock is released: their next request need not wait for this one. */
function logged_in(): string
{
    start_session();
    check_form();
    $user = $_SESSION['user'] ?? refuse(403, 'Please log in.');
    session_write_close();
    return $user;
}

function check_form(): void
{
    if (!hash_equals($_SESSION['form'], $_POST['form'] ?? '')) {
        refuse(403, 'This form is not ours, or too old.');
    }
}

function back(string $to = '/'): never
{
    header("Location: $to", true, 303);
    exit;
}

function refuse(int $status, string $why): never
{
    http_response_code($status);
    header('Content-Type: text/plain; charset=utf-8');
    exit("$why\n");
}
