// Modules of which tests read files alone: schemas of what Kubernetes does not know by itself, and Compose's.  Nothing
// of them is compiled, so `go mod tidy` must not be run here.  To raise one: its version here, and `go mod download
// -json` says both sums that go.sum needs, "Sum" and "GoModSum".
module fanfare.invalid/schemas

go 1.26.0

require (
	github.com/compose-spec/compose-go/v2 v2.16.2
	github.com/kedacore/keda/v2 v2.21.0
	github.com/prometheus-operator/prometheus-operator v0.85.0
	github.com/traefik/traefik/v3 v3.7.13
	sigs.k8s.io/gateway-api v1.6.3
)
