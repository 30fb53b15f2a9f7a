#!/bin/sh
# Installs the gateway as a systemd service. Run again to update, or to repair: what is right already is left alone.
#
#   sudo systemd/install.sh                    from this checkout
#   sudo systemd/install.sh dist/NAME.whl      from a wheel
#   sudo systemd/install.sh --uninstall        all but the settings, which it names
#
# PREFIX   where the program goes (/opt/ollama-openai-proxy)
# DESTDIR  puts everything below another folder and starts nothing, for packages and tests
# PYTHON   a Python 3.12 or newer that the service can reach (python3)
set -eu

PREFIX=${PREFIX:-/opt/ollama-openai-proxy}
DESTDIR=${DESTDIR:-}
PYTHON=${PYTHON:-python3}
SERVICE=ollama-openai-proxy.service
here=$(cd "$(dirname "$0")" && pwd)
checkout=$(dirname "$here")
program=$DESTDIR$PREFIX
units=$DESTDIR/etc/systemd/system
settings=$DESTDIR/etc/ollama-openai-proxy
changed=no

say() { printf '%s\n' "$*"; }
fail() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }
manager() { [ -z "$DESTDIR" ] && [ -d /run/systemd/system ]; }

# place MODE SOURCE TARGET: tells of it, and only where something differs
place() {
    if cmp -s "$2" "$3"; then return; fi
    install -D -m "$1" "$2" "$3"
    say "wrote $3"
    changed=yes
}

uninstall() {
    if manager; then systemctl disable --now "$SERVICE" 2>/dev/null || true; fi
    rm -f "$units/$SERVICE"
    rm -rf "$program"
    if manager; then systemctl daemon-reload; fi
    say "Removed. Left alone: $settings and $units/$SERVICE.d, if there are any."
}

check_python() {
    base=$("$PYTHON" -I -c 'import ensurepip, sys, venv; sys.version_info >= (3, 12) or sys.exit(1); print(sys.base_prefix)') \
        || fail "PYTHON=$PYTHON is not a Python 3.12 or newer that can make environments (Debian: apt install python3-venv)"
    case $base in /home/*|/root*)
        [ -n "$DESTDIR" ] || fail "$base is in a home, which the service cannot see: name another with PYTHON=" ;;
    esac
}

# What an environment is made of: an equal sum is an equal environment.
checksum() {
    {
        "$PYTHON" -I -c 'import sys; print(sys.version, sys.base_prefix)'
        cat "$checkout/requirements.txt"
        if [ -n "$wheel" ]; then
            cat "$wheel"
        else
            cd "$checkout"
            git rev-parse HEAD 2>/dev/null || true
            find gateway pyproject.toml setup.py -type f ! -name '*.pyc' | LC_ALL=C sort | while read -r file; do
                cksum "$file"
            done
        fi
    } | sha256sum | cut -c 1-16
}

pip() { "$1/bin/python" -I -m pip --disable-pip-version-check --no-input --quiet "$2" --no-warn-script-location "$3" "$4" "$5"; }

# The wheel of the checkout, built by the setuptools of the lock in an environment of its own.
build_wheel() {
    "$PYTHON" -I -m venv "$scratch/build"
    awk '/^[a-z]/ { wanted = /^setuptools==/ } wanted' "$checkout/requirements-dev.txt" >"$scratch/setuptools.txt"
    pip "$scratch/build" install --require-hashes -r "$scratch/setuptools.txt"
    mkdir "$scratch/source"
    (cd "$checkout" && tar -cf - --exclude='./.venv*' --exclude='./.*_cache' --exclude=./build .) | tar --no-same-owner -xf - -C "$scratch/source"
    "$scratch/build/bin/python" -I -m pip --disable-pip-version-check --quiet wheel --no-deps --no-build-isolation \
        --wheel-dir "$scratch" "$scratch/source"
    set -- "$scratch"/*.whl
    wheel=$1
}

# A new environment is made beside the old one, whole, and takes its place by the change of one link.
install_program() {
    sum=$(checksum)
    if [ "$(readlink "$program/venv" || true)" = "venv-$sum" ]; then return; fi
    [ -n "$wheel" ] || build_wheel
    new=$program/venv-$sum
    rm -rf "$new"
    mkdir -p "$program"
    half=$new
    "$PYTHON" -I -m venv "$new"
    pip "$new" install --require-hashes -r "$checkout/requirements.txt"
    pip "$new" install --no-deps --no-index "$wheel"
    ln -sfn "venv-$sum" "$program/venv"
    half=
    say "installed $("$program/venv/bin/python" -I -m gateway --version) into $new"
    changed=yes
}

install_files() {
    sed "s|/opt/ollama-openai-proxy|$PREFIX|g" "$here/$SERVICE" >"$scratch/$SERVICE"
    place 644 "$scratch/$SERVICE" "$units/$SERVICE"
    place 644 "$checkout/docs/systemd.md" "$program/systemd.md"
    place 644 "$here/restrict-addresses.conf" "$program/restrict-addresses.conf"
    # Keys stand in it: for the service manager's eyes only. What is there already is the administrator's.
    [ ! -e "$settings/environment" ] || return 0
    place 600 "$here/environment.example" "$settings/environment"
    say "Edit it: at least OPENAI_API_BASE_URL is wanted. Then: systemctl enable --now $SERVICE"
}

start() {
    manager || return 0
    systemctl daemon-reload
    if [ $changed = yes ] && systemctl --quiet is-active "$SERVICE"; then
        systemctl restart "$SERVICE"
        say "restarted $SERVICE"
    fi
}

remove_old_environments() {
    for old in "$program"/venv-*; do
        [ "$(basename "$old")" = "$(readlink "$program/venv")" ] || rm -rf "$old"
    done
}

case ${1:-} in
    --uninstall) uninstall; exit ;;
    -*) fail "unknown option $1 (there is --uninstall)" ;;
    '') wheel= ;;
    *) [ -f "$1" ] || fail "there is no $1"; wheel=$(cd "$(dirname "$1")" && pwd)/$(basename "$1") ;;
esac
umask 022
check_python
[ -n "$DESTDIR" ] || [ "$(id -u)" = 0 ] || fail "wants to be root (or DESTDIR=)"
scratch=$(mktemp -d)
half=
trap 'rm -rf "$scratch" ${half:+"$half"}' EXIT
install_program
install_files
start
remove_old_environments
[ $changed = yes ] || say "Everything is as it should be."
