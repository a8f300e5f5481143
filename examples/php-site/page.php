<?php
$user = $_SESSION['user'] ?? null;
$h = static fn (string $text): string => htmlspecialchars($text, ENT_QUOTES);
$js = static fn (mixed $value): string => json_encode($value, JSON_HEX_TAG | JSON_UNESCAPED_SLASHES);
$form = '<input type="hidden" name="form" value="' . $h($_SESSION['form']) . '">';
// `/?transports=sse`: to try them one by one. Left out, the client chooses.
$transports = array_values(array_intersect(explode(',', $_GET['transports'] ?? ''), ['websocket', 'sse', 'long-poll', 'short-poll']));
?>
<!doctype html>
<meta charset="utf-8">
<title>A town</title>
<?php if ($user === null): ?>
<form method="post" action="/login" id="login">
  <?= $form ?>
  <label>Name <input name="user" autocomplete="username"></label>
  <label>Password <input name="password" type="password" autocomplete="current-password"></label>
  <button>Log in</button>
</form>
<?php else: ?>
<p>You are <b id="user"><?= $h(USERS[$user]['name']) ?></b>. The hub: <b id="state"></b></p>
<form method="post" action="/logout" id="logout"><?= $form ?><button>Log out</button></form>
<form method="post" action="/news" id="write-news"><?= $form ?><input name="text"><button>Tell everybody</button></form>
<form method="post" action="/letters" id="write-letter">
  <?= $form ?>
  <select name="to"><?php foreach (USERS as $id => ['name' => $name]): ?><option value="<?= $h($id) ?>"><?= $h($name) ?></option><?php endforeach ?></select>
  <input name="text"><button>Send a letter</button>
</form>
<h2>Letters to you</h2>
<ul id="letters"></ul>
<?php endif ?>
<h2>News</h2>
<ul id="news"></ul>

<script type="module">
  import { connect } from <?= $js(hub_url() . '/client.js') ?>;

  // The browser sends the site's cookie along: the hub is another port, or another name, of the same site.
  const hub = connect(<?= $js(hub_url()) ?>, {
    credentials: 'include',
    pollIntervalMs: 500,
<?php if ($transports !== []): ?>
    transports: <?= $js($transports) ?>,
<?php endif ?>
  });

  const show = (list) => ({ data }) => {
    const item = document.createElement('li');
    item.textContent = `${data.from ?? data.by}: ${data.text}`;
    document.getElementById(list).append(item);
  };
  hub.subscribe('news.>', show('news'), { history: 20 });
<?php if ($user !== null): ?>
  hub.me(show('letters'), { history: 20 });
  hub.on('state', ({ state, transport }) => (document.getElementById('state').textContent = transport ?? state));
<?php endif ?>
</script>
