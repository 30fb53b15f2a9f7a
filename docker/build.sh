#!/usr/bin/env bash
# Builds the image with docker, podman or buildah, the first that works; arguments go on to its build command.
#
#   docker/build.sh                            ollama-openai-proxy:<version> and :latest
#   BUILDER=podman docker/build.sh             with this program
#   IMAGE=registry.example/gateway docker/build.sh --platform linux/arm64
#   PYTHON_IMAGE=python:3.13-slim docker/build.sh
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
    echo "build.sh: $*" >&2
    exit 1
}

builder=${BUILDER:-}
if [ -z "$builder" ]; then
    for name in docker podman buildah; do
        # A client of docker without its daemon is installed, and builds nothing.
        if "$name" info >/dev/null 2>&1; then
            builder=$name
            break
        fi
    done
fi
[ -n "$builder" ] || fail "wanted: docker with its daemon, podman or buildah; none of them works here"
command -v "$builder" >/dev/null 2>&1 || fail "$builder is not installed"

version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' gateway/_version.py)
[ -n "$version" ] || fail "gateway/_version.py names no version"

# Without a history (an unpacked archive) both stay empty, and --version says that the commit is unknown.
revision=${REVISION:-$(git log -1 --no-show-signature --format=%H 2>/dev/null || true)}
created=${CREATED:-$(git log -1 --no-show-signature --format=%cI 2>/dev/null || true)}

image=${IMAGE:-ollama-openai-proxy}
# A + is legal in a version and not in a tag.
tag=${version//+/-}

case $(basename "$builder") in
    docker) command=("$builder" build) ;;
    # The OCI format of these two has no place for HEALTHCHECK.
    *) command=("$builder" build --format docker) ;;
esac
arguments=(--build-arg "VERSION=$version" --build-arg "REVISION=$revision" --build-arg "CREATED=$created")
if [ -n "${PYTHON_IMAGE:-}" ]; then
    arguments+=(--build-arg "PYTHON_IMAGE=$PYTHON_IMAGE")
fi

exec "${command[@]}" "${arguments[@]}" --file docker/Dockerfile --tag "$image:$tag" --tag "$image:latest" "$@" .
