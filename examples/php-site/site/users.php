<?php
declare(strict_types=1);

/** The site's own users. Another site has them in its database. */
const USERS = [
    'ada' => ['name' => 'Ada', 'password' => '$2y$10$G5gAohhJ.abSAfH9cHmyf.MWWpvhvM1Jif.P7As7hhUu94OcaKKAK'],
    'ben' => ['name' => 'Ben', 'password' => '$2y$10$kSb5QEz/m/bIhjb5EJ04DOhyRbXWLTm48m47FEnOdSwomm.UlKAiG'],
];

/** The user's id, or null when the name or the password is wrong. */
function user_with_password(string $user, string $password): ?string
{
    return password_verify($password, USERS[$user]['password'] ?? USERS['ada']['password']) && isset(USERS[$user]) ? $user : null;
}
