{% set scheme = "https" if https or issuer else "http" %}
// What the cluster file says counts, not what was said when the site was installed.
define('WP_HOME', '{{ scheme }}://{{ host }}');
define('WP_SITEURL', '{{ scheme }}://{{ host }}');
define('FORCE_SSL_ADMIN', {{ "true" if scheme == "https" else "false" }});
// A container of its own does the jobs, on time, though nobody visits the site.
define('DISABLE_WP_CRON', true);
// Whoever gets into an account of the site is not to write programs with it.
define('DISALLOW_FILE_EDIT', true);
{% if https %}
// What is in front has the certificate, and Traefik sees plain http.
$_SERVER['HTTPS'] = 'on';
{% endif %}
