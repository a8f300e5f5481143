<?php
declare(strict_types=1);

namespace Polycast;

/** Tokens (JWT, HS256) as `identity.tokens` of the hub's configuration accepts them. */
final class Token
{
    /**
     * @param array{secret: string, issuer?: string} $config
     * @param list<string> $channels that the user may read, in addition to the hub's rules
     */
    public static function sign(array $config, string $user, array $channels, mixed $info = null): string
    {
        $claims = [
            'sub' => $user,
            'iss' => $config['issuer'] ?? 'laravel',
            'iat' => time(),
            'exp' => time() + 3600,
            'polycast' => ['subscribe' => $channels],
        ] + ($info === null ? [] : ['info' => $info]);
        $signed = self::encode(['alg' => 'HS256', 'typ' => 'JWT']) . '.' . self::encode($claims);
        return $signed . '.' . self::base64(hash_hmac('sha256', $signed, $config['secret'], true));
    }

    private static function encode(array $part): string
    {
        return self::base64(json_encode($part, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES));
    }

    private static function base64(string $bytes): string
    {
        return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
    }
}
