<?php
// Plays Nextcloud's page of its state. It says what a browser would be told, and whether the database and redis let it in with the
// passwords that the pod has: a refused login is an error of the page, and so of the probes.
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
$password = trim(file_get_contents(getenv('MYSQL_PASSWORD_FILE')));
$db = new mysqli(getenv('MYSQL_HOST'), getenv('MYSQL_USER'), $password, getenv('MYSQL_DATABASE'));
$db->query('CREATE TABLE IF NOT EXISTS notes (note VARCHAR(100))');
if (isset($_GET['note'])) {
    $statement = $db->prepare('INSERT INTO notes VALUES (?)');
    $statement->execute([$_GET['note']]);
}
$notes = array_column($db->query('SELECT note FROM notes')->fetch_all(), 0);
$redis = new Redis();
$redis->connect(getenv('REDIS_HOST'));
$redis->auth(getenv('REDIS_HOST_PASSWORD'));
$redis->set('seen', 'yes');
header('Content-Type: application/json');
echo json_encode([
    'installed' => true,
    'played' => 'by the tests of hcimage',
    'user' => posix_geteuid(),
    'notes' => $notes,
    'redis' => $redis->get('seen'),
    'forwarded' => $_SERVER['HTTP_X_FORWARDED_PROTO'] ?? null,
]), "\n";
