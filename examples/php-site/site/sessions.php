<?php
declare(strict_types=1);

/** The site's sessions are PHP's own: a cookie with a random name, and a file here with what the site knows of it. */

const SESSION_COOKIE = 'site_session';

/** The session of the browser that asks. */
function start_session(): void
{
    session_name(SESSION_COOKIE);
    session_start([
        // No script of a page can read it, and no page of another site can have it sent along.
        'cookie_httponly' => true,
        'cookie_samesite' => 'Lax',
        'cookie_secure' => ($_SERVER['HTTPS'] ?? '') === 'on',
        // An id that this site did not give out is not taken.
        'use_strict_mode' => true,
        'use_only_cookies' => true,
    ]);
    $_SESSION['form'] ??= bin2hex(random_bytes(16));
}

/** Whose session it is that the hub asks about; null for nobody's. No session is begun, changed or waited for by the question. */
function user_of_session(string $id): ?string
{
    // PHP would begin a session for an id that it does not know.
    $folder = session_save_path() ?: sys_get_temp_dir();
    if (preg_match('/^[A-Za-z0-9,-]{22,128}$/', $id) !== 1 || !is_file("$folder/sess_$id")) {
        return null;
    }
    session_name(SESSION_COOKIE);
    session_id($id);
    session_start(['use_cookies' => false, 'use_strict_mode' => true, 'read_and_close' => true]);
    return $_SESSION['user'] ?? null;
}

function end_session(): void
{
    $_SESSION = [];
    session_destroy();
    setcookie(SESSION_COOKIE, '', ['expires' => 1, 'path' => '/', 'httponly' => true, 'samesite' => 'Lax']);
}
