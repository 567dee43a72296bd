<?php
// Plays Nextcloud's command: it knows whether it is installed, and keeps what it is told.
$words = array_values(array_filter(array_slice($argv, 1), fn ($word) => !str_starts_with($word, '--no-')));
if ($words === ['status']) {
    echo is_file('/var/www/html/config/config.php') ? "  - installed: true\n" : "  - installed: false\n";
} elseif (str_ends_with($words[0] ?? '', ':get') || str_ends_with($words[0] ?? '', ':delete')) {
    exit(1);
} else {
    file_put_contents('/var/www/html/occ.log', implode(' ', $words) . "\n", FILE_APPEND);
}
