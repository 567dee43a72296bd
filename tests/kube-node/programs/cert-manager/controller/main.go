// The controller of cert-manager, with the flags that its chart sets.
package main

import (
	"context"
	"net/http"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/resource"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/cert-manager/cert-manager/pkg/controller"
	_ "github.com/cert-manager/cert-manager/pkg/controller/acmechallenges"
	_ "github.com/cert-manager/cert-manager/pkg/controller/acmeorders"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificate-shim/ingresses"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/acme"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/approver"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/ca"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/selfsigned"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/issuing"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/keymanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/metrics"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/readiness"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/requestmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/revisionmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/trigger"
	_ "github.com/cert-manager/cert-manager/pkg/controller/clusterissuers"
	_ "github.com/cert-manager/cert-manager/pkg/controller/issuers"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/acme"
	dns "github.com/cert-manager/cert-manager/pkg/issuer/acme/dns/util"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/selfsigned"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
)

// workers of each controller, as cert-manager has them.
const workers = 5

func main() {
	all := options()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log := zap.New()
	ctrl.SetLogger(log)
	ctx = logf.NewContext(ctx, log)
	go func() {
		http.HandleFunc("/livez", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
		must(http.ListenAndServe(":9403", nil))
	}()
	factory, err := controller.NewContextFactory(ctx, all)
	must(err)
	var running sync.WaitGroup
	for _, construct := range controller.Known() {
		one, err := construct(factory)
		must(err)
		running.Go(func() { must(one.Run(workers, ctx)) })
	}
	// The informers of all controllers belong to the factory, and are started once all are there.
	shared, err := factory.Build()
	must(err)
	shared.SharedInformerFactory.Start(ctx.Done())
	shared.KubeSharedInformerFactory.Start(ctx.Done())
	shared.HTTP01ResourceMetadataInformersFactory.Start(ctx.Done())
	running.Wait()
}

// options are the defaults of cert-manager v1.21 and the flags of the chart; an unknown flag ends the program.
func options() controller.ContextOptions {
	all := controller.ContextOptions{
		KubernetesAPIQPS:   20,
		KubernetesAPIBurst: 50,
		IssuerOptions:      controller.IssuerOptions{ClusterIssuerAmbientCredentials: true},
		ACMEOptions: controller.ACMEOptions{
			HTTP01SolverResourceRequestCPU:    resource.MustParse("10m"),
			HTTP01SolverResourceRequestMemory: resource.MustParse("64Mi"),
			HTTP01SolverResourceLimitsCPU:     resource.MustParse("100m"),
			HTTP01SolverResourceLimitsMemory:  resource.MustParse("64Mi"),
			ACMEHTTP01SolverRunAsNonRoot:      true,
			DNS01CheckRetryPeriod:             10 * time.Second,
		},
		IngressShimOptions: controller.IngressShimOptions{
			DefaultAutoCertificateAnnotations: []string{"kubernetes.io/tls-acme"},
		},
		CertificateOptions: controller.CertificateOptions{
			CopiedAnnotationPrefixes:                 []string{"*", "-kubectl.kubernetes.io/", "-fluxcd.io/", "-argocd.argoproj.io/"},
			CertificateRequestMinimumBackoffDuration: time.Hour,
			CertificateRequestMaximumBackoffDuration: 32 * time.Hour,
		},
	}
	pflag.IntP("v", "v", 2, "")
	pflag.String("leader-election-namespace", "", "ignored: there is one of it")
	pflag.StringVar(&all.ClusterResourceNamespace, "cluster-resource-namespace", "kube-system", "")
	pflag.StringVar(&all.HTTP01SolverImage, "acme-http01-solver-image", "", "")
	pflag.StringVar(&all.DefaultIssuerName, "default-issuer-name", "", "")
	pflag.StringVar(&all.DefaultIssuerKind, "default-issuer-kind", "Issuer", "")
	pflag.StringVar(&all.DefaultIssuerGroup, "default-issuer-group", "cert-manager.io", "")
	pflag.IntVar(&all.MaxConcurrentChallenges, "max-concurrent-challenges", 60, "")
	pflag.StringSliceVar(&all.DNS01Nameservers, "dns01-recursive-nameservers", nil, "")
	recursiveOnly := pflag.Bool("dns01-recursive-nameservers-only", false, "")
	pflag.Parse()
	all.DNS01CheckAuthoritative = !*recursiveOnly
	if len(all.DNS01Nameservers) == 0 {
		all.DNS01Nameservers = dns.RecursiveNameservers
	}
	return all
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
