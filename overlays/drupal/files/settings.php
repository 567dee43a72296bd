<?php
// Written anew at each start, from the cluster file: settings of your own belong into settings.local.php beside it.

$databases['default']['default'] = [
  'driver' => 'mysql',
  'namespace' => 'Drupal\\mysql\\Driver\\Database\\mysql',
  'autoload' => 'core/modules/mysql/src/Driver/Database/mysql/',
  'host' => 'db',
  'port' => '3306',
  'database' => 'drupal',
  'username' => 'drupal',
  'password' => rtrim(file_get_contents('/run/secrets/drupal/db-password'), "\r\n"),
  'prefix' => '',
  'collation' => 'utf8mb4_general_ci',
];
$settings['hash_salt'] = rtrim(file_get_contents('/run/secrets/drupal/hash-salt'), "\r\n");

// Other names in a request are an attempt to poison a cache, or mails. A probe of the kubelet has the first one.
$settings['trusted_host_patterns'] = [
{% for name in [host] + more_hosts %}
  '^{{ name | replace(".", "\\.") }}$',
{% endfor %}
];

// Traefik is a pod, and overwrites what visitors say in these headers.
$settings['reverse_proxy'] = TRUE;
$settings['reverse_proxy_addresses'] = [
{% for network in cluster.pod_networks %}
  '{{ network }}',
{% endfor %}
];
$settings['reverse_proxy_trusted_headers'] =
  \Symfony\Component\HttpFoundation\Request::HEADER_X_FORWARDED_FOR
  | \Symfony\Component\HttpFoundation\Request::HEADER_X_FORWARDED_PROTO
  | \Symfony\Component\HttpFoundation\Request::HEADER_X_FORWARDED_PORT;

// Outside of what the web server gives away.
$settings['file_private_path'] = '/opt/drupal/private/files';
$settings['config_sync_directory'] = '/opt/drupal/private/config';

$settings['container_yamls'][] = $app_root . '/' . $site_path . '/services.yml';
$settings['file_scan_ignore_directories'] = ['node_modules', 'bower_components'];
$settings['entity_update_batch_size'] = 50;

if (file_exists($app_root . '/' . $site_path . '/settings.local.php')) {
  include $app_root . '/' . $site_path . '/settings.local.php';
}
