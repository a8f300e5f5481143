<?php
/**
 * Plugin Name: Polycast
 * Description: Tells everybody at once when a post is published, changed or removed.
 *
 * In wp-config.php: define('POLYCAST_URL', 'http://127.0.0.1:7400'); define('POLYCAST_KEY', 'pck_…');
 */
declare(strict_types=1);

add_action('transition_post_status', 'polycast_post_changed', 10, 3);
add_action('wp_footer', 'polycast_footer');

/** A post that visitors can see, or could see until now. */
function polycast_post_changed(string $new, string $old, object $post): void
{
    if ($post->post_type !== 'post' || ($new !== 'publish' && $old !== 'publish')) {
        return;
    }
    $type = $new !== 'publish' ? 'post.removed' : ($old === 'publish' ? 'post.changed' : 'post.published');
    $data = $new === 'publish' ? ['id' => $post->ID, 'title' => $post->post_title, 'url' => get_permalink($post)] : ['id' => $post->ID];
    $answer = wp_remote_post(POLYCAST_URL . '/v1/events', [
        'timeout' => 3,
        'headers' => ['Content-Type' => 'application/json', 'Authorization' => 'Bearer ' . POLYCAST_KEY],
        'body' => json_encode(['channel' => 'site.posts', 'type' => $type, 'data' => $data], JSON_THROW_ON_ERROR),
    ]);
    // The post is saved in any case: a hub that is down must not keep an author from writing.
    if (is_wp_error($answer) || wp_remote_retrieve_response_code($answer) !== 201) {
        error_log('Polycast has not taken the news of post ' . $post->ID);
    }
}

/** A line on each page, which EventSource fills: no library, and the browser reconnects by itself. */
function polycast_footer(): void
{
    $stream = POLYCAST_URL . '/v1/events?channel=site.posts';
    ?>
    <p id="polycast-news" role="status"></p>
    <script>
      new EventSource(<?= json_encode($stream, JSON_HEX_TAG) ?>).onmessage = ({ data }) => {
        const { type, data: post } = JSON.parse(data);
        if (type === 'post.published') document.getElementById('polycast-news').textContent = `New: ${post.title}`;
      };
    </script>
    <?php
}
