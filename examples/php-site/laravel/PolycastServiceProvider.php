<?php
declare(strict_types=1);

namespace Polycast;

use Illuminate\Broadcasting\BroadcastManager;
use Illuminate\Support\ServiceProvider;

/**
 * Adds the driver `polycast`. In config/broadcasting.php:
 *
 *     'polycast' => ['driver' => 'polycast', 'url' => env('POLYCAST_URL'), 'key' => env('POLYCAST_KEY'), 'secret' => env('POLYCAST_SECRET')],
 */
final class PolycastServiceProvider extends ServiceProvider
{
    public function boot(BroadcastManager $broadcasts): void
    {
        $broadcasts->extend('polycast', static fn ($app, array $config) => new PolycastBroadcaster($config));
    }
}
