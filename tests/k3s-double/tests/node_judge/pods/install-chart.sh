# Plays the job of k3s that installs a chart: k3s' API serves the charts of the card, here a server on the node does. What installs
# it is Helm.
set -eu
case $1 in
install)
    shift
    chart=$(echo "$CHART" | sed 's|^https://%{KUBERNETES_API}%|http://10.0.2.11:8088|')
    # By the label the controller knows that the release is the one that it asked for; without it, it installs for ever.
    set -- upgrade --install "$NAME" "$chart" --labels "helmcharts.helm.cattle.io/configHash=$CONFIG_HASH" "$@"
    for values in /config/*.yaml; do
        [ ! -f "$values" ] || set -- "$@" --values "$values"
    done
    exec helm "$@"
    ;;
delete)
    exec helm uninstall --namespace "$TARGET_NAMESPACE" --ignore-not-found "$NAME"
    ;;
esac
