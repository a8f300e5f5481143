<?php
$user = $_SESSION['user'] ?? null;
$h = static fn (string $text): string => htmlspecialchars($text, ENT_QUOTES);
$js = static fn (mixed $value): string => json_encode($value, JSON_HEX_TAG | JSON_UNESCAPED_SLASHES);
$form = '<input type="hidden" name="form" value="' . $h($_SESSION['form']) . '">';
// `/?transports=sse`: to try them one by one. Without it, the client chooses.
$transports = array_values(array_intersect(explode(',', $_GET['transports'] ?? ''), ['websocket', 'sse', 'long-poll', 'short-poll']));
?>
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A town</title>
<link rel="icon" href="data:,">
<style><?php readfile(__DIR__ . '/site.css') ?></style>
<header>
  <h1>A town</h1>
  <p>News for everybody, letters for one. The site is plain PHP with its own login. The hub asks it whose session cookie this is.</p>
</header>
<main>
<?php if (isset($_GET['failed'])): ?>
<p class="card" role="alert">This was not sent: the hub does not answer. <a href="/">Try again</a></p>
<?php endif ?>
<?php if ($user === null): ?>
<form method="post" action="/login" id="login" class="card">
  <h2>Log in</h2>
  <?= $form ?>
  <label>Name <input name="user" autocomplete="username" required></label>
  <label>Password <input name="password" type="password" autocomplete="current-password" required></label>
  <button>Log in</button>
  <p class="muted">Two people live here: <code>ada</code> with the password <code>lovelace</code>, and <code>ben</code> with <code>franklin</code>.</p>
</form>
<?php else: ?>
<div class="card row">
  <p>You are <b id="user"><?= $h(USERS[$user]['name']) ?></b>. Connection to the hub: <b id="state">connecting</b></p>
  <form method="post" action="/logout" id="logout"><?= $form ?><button class="quiet">Log out</button></form>
</div>
<section class="card">
  <h2>Letters to you</h2>
  <ul id="letters"></ul>
  <form method="post" action="/letters" id="write-letter" class="row">
    <?= $form ?>
    <select name="to" aria-label="To"><?php foreach (USERS as $id => ['name' => $name]): ?><option value="<?= $h($id) ?>"<?= $id === $user ? '' : ' selected' ?>><?= $h($name) ?></option><?php endforeach ?></select>
    <input name="text" aria-label="Letter" placeholder="Your letter" required><button>Send a letter</button>
  </form>
</section>
<?php endif ?>
<section class="card">
  <h2>News</h2>
  <ul id="news"></ul>
<?php if ($user !== null): ?>
  <form method="post" action="/news" id="write-news" class="row">
    <?= $form ?>
    <input name="text" aria-label="News" placeholder="Your news" required><button>Tell everybody</button>
  </form>
<?php endif ?>
</section>
</main>
<script type="module">
  import { connect } from <?= $js(public_hub_url() . '/client.js') ?>;

  // The browser sends the site's cookie along: the hub is another port, or another name, of the same site.
  const hub = connect(<?= $js(public_hub_url()) ?>, {
    credentials: 'include',
    pollIntervalMs: 500,
<?php if ($transports !== []): ?>
    transports: <?= $js($transports) ?>,
<?php endif ?>
  });

  const show = (list) => ({ data }) => {
    const item = document.createElement('li');
    item.textContent = `${data.from ?? data.by}: ${data.text}`;
    document.getElementById(list).prepend(item);
  };
  hub.subscribe('news.>', show('news'), { history: 20 });
<?php if ($user !== null): ?>
  hub.me(show('letters'), { history: 20 });
  hub.on('state', ({ state, transport }) => (document.getElementById('state').textContent = transport ?? state));
<?php endif ?>
</script>
