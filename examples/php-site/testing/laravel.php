<?php
declare(strict_types=1);

/**
 * A Laravel application with the parts that broadcast, and nothing else: Laravel's own container, bus, events and broadcasts.
 *
 *     php -S 127.0.0.1:3000 laravel.php
 */

use Illuminate\Broadcasting\BroadcastManager;
use Illuminate\Broadcasting\PrivateChannel;
use Illuminate\Bus\Dispatcher;
use Illuminate\Container\Container;
use Illuminate\Contracts\Broadcasting\Factory as Broadcasting;
use Illuminate\Contracts\Broadcasting\ShouldBroadcastNow;
use Illuminate\Contracts\Bus\Dispatcher as Bus;
use Illuminate\Http\Request;
use Polycast\PolycastServiceProvider;
use Symfony\Component\HttpKernel\Exception\AccessDeniedHttpException;

foreach (['Broadcasting', 'Bus', 'Container', 'Http', 'Support'] as $part) {
    require_once "Illuminate/$part/autoload.php";
}
foreach (['Token', 'PolycastBroadcaster', 'PolycastServiceProvider'] as $class) {
    require_once __DIR__ . "/../laravel/$class.php";
}

final class OrderPaid implements ShouldBroadcastNow
{
    public function __construct(public int $order, public string $total)
    {
    }

    public function broadcastOn(): array
    {
        return [new PrivateChannel("orders.$this->order")];
    }
}

final class User
{
    public function __construct(public int $id)
    {
    }

    public function getAuthIdentifier(): int
    {
        return $this->id;
    }
}

$app = new Container();
Container::setInstance($app);
$app['config'] = [
    'broadcasting.default' => 'polycast',
    'broadcasting.connections.polycast' => [
        'driver' => 'polycast',
        'url' => getenv('POLYCAST_URL'),
        'key' => getenv('POLYCAST_KEY'),
        'secret' => getenv('POLYCAST_SECRET'),
    ],
];
$app->singleton(BroadcastManager::class, static fn (Container $app) => new BroadcastManager($app));
$app->alias(BroadcastManager::class, Broadcasting::class);
$app->singleton(Bus::class, static fn (Container $app) => new Dispatcher($app));
(new PolycastServiceProvider($app))->boot($app->make(BroadcastManager::class));

/** routes/channels.php: order 7 is Ann's, who is user 1. */
$broadcasts = $app->make(BroadcastManager::class);
$broadcasts->channel('orders.{order}', static fn (User $user, string $order): bool => $order === '7' && $user->id === 1);

$request = Request::capture();
$request->setUserResolver(static fn () => $request->header('X-User') === null ? null : new User((int) $request->header('X-User')));
header('Content-Type: application/json');
try {
    echo json_encode(match ($request->path()) {
        'broadcasting/auth' => $broadcasts->connection()->auth($request),
        'pay' => $broadcasts->queue(new OrderPaid((int) $request->input('order'), '42.00')),
    });
} catch (AccessDeniedHttpException) {
    http_response_code(403);
} catch (Throwable $error) {
    http_response_code(500);
    echo json_encode(get_class($error) . ': ' . $error->getMessage());
}
