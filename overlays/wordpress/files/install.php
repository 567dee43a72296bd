<?php
// Installs WordPress before anybody reaches it: otherwise the first visitor would become its administrator. Where it is installed there
// is the file STATE/installed: WordPress ends the program with status 0 and a page when it has no database. The password is in a file, and
// in no argument or output.

define('WP_INSTALLING', true);
require getenv('WORDPRESS_ROOT') . '/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';

function installed($said)
{
    fwrite(STDERR, "WordPress is $said\n");
    touch(getenv('STATE') . '/installed');
    exit(0);
}

if (is_blog_installed()) {
    installed('there');
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
if (is_blog_installed()) {
    installed('installed');
}
exit(1);
