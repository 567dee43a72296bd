<?php
// Installs WordPress before anybody reaches it: otherwise the first visitor would become its administrator. Exits with 0 where it is
// installed. The password is in a file, and in no argument or output.

define('WP_INSTALLING', true);
require getenv('WORDPRESS_ROOT') . '/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';

if (is_blog_installed()) {
    exit(0);
}
$password = rtrim(file_get_contents(getenv('HC_PASSWORD_FILE')), "\r\n");
if ($password === '') {
    fwrite(STDERR, "the password is empty\n");
    exit(1);
}
// No mail can be sent yet, and the one that WordPress would send says nothing new.
function wp_new_blog_notification($title, $url, $user, $password)
{
}

wp_install(getenv('HC_TITLE'), getenv('HC_ADMIN'), getenv('HC_ADMIN_EMAIL'), true, '', wp_slash($password));
if (!is_blog_installed()) {
    exit(1);
}
echo "WordPress is installed\n";
