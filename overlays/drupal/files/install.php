<?php
// Installs Drupal before anybody reaches it: otherwise the first visitor would become its administrator. Where it is installed
// there is the file STATE/installed; an installation that was cut off goes on where it ended. The password is in a file, and in no argument or output.

use Drupal\Core\Installer\Exception\AlreadyInstalledException;

$root = getenv('DRUPAL_ROOT');
chdir($root);
$autoloader = require $root . '/autoload.php';
require_once $root . '/core/includes/install.core.inc';

$password = rtrim(file_get_contents(getenv('HC_PASSWORD_FILE')), "\r\n");
if ($password === '') {
    fwrite(STDERR, "the password is empty\n");
    exit(1);
}
$settings = [
    'interactive' => FALSE,
    'site_path' => 'sites/default',
    'parameters' => ['profile' => getenv('HC_PROFILE'), 'langcode' => 'en'],
    'forms' => [
        'install_configure_form' => [
            'site_name' => getenv('HC_TITLE'),
            'site_mail' => getenv('HC_ADMIN_EMAIL'),
            'account' => [
                'name' => getenv('HC_ADMIN'),
                'mail' => getenv('HC_ADMIN_EMAIL'),
                'pass' => ['pass1' => $password, 'pass2' => $password],
            ],
            // Nothing is asked of other servers unless the administrator wants it. For a program NULL is no tick.
            'enable_update_status_module' => NULL,
            'enable_update_status_emails' => NULL,
        ],
    ],
];
try {
    install_drupal($autoloader, $settings);
    fwrite(STDERR, "Drupal is installed\n");
} catch (AlreadyInstalledException) {
    fwrite(STDERR, "Drupal is there\n");
}
touch(getenv('STATE') . '/installed');
