// The definitions of the objects by which k3s installs charts. Only the files of the module are used, nothing is built.
module hcimage.invalid/tests/kube-apiserver/definitions

go 1.26.0

require github.com/k3s-io/helm-controller v0.17.7
