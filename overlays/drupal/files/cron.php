<?php
// Drupal's cron, once.

use Drupal\Core\DrupalKernel;
use Symfony\Component\HttpFoundation\Request;

$root = getenv('DRUPAL_ROOT');
chdir($root);
$autoloader = require $root . '/autoload.php';
$request = Request::create(getenv('HC_URL'));
$kernel = DrupalKernel::createFromRequest($request, $autoloader, 'prod');
$kernel->boot();
$kernel->preHandle($request);
exit(\Drupal::service('cron')->run() ? 0 : 1);
