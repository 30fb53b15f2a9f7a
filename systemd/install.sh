#!/bin/sh
# Installs the gateway as a systemd service. Run again to update, or to repair: what is right already is left alone.
#
#   sudo systemd/install.sh                    from this checkout
#   sudo systemd/install.sh dist/NAME.whl      from a wheel
#   sudo systemd/install.sh --uninstall        removes what it made, and leaves the settings, which it names
#
# PREFIX   where the program goes (/opt/ollama-openai-proxy); wanted again for --uninstall
# DESTDIR  puts everything below another folder and starts nothing, for packages and tests
# PYTHON   a Python 3.12 or newer that the service can reach (python3)
set -eu

PREFIX=${PREFIX:-/opt/ollama-openai-proxy}
DESTDIR=${DESTDIR:-}
PYTHON=${PYTHON:-python3}
SERVICE=ollama-openai-proxy.service
SOCKET=ollama-openai-proxy.socket
here=$(CDPATH="" cd -- "$(dirname -- "$0")" && pwd)
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

# Only what this script has made: PREFIX may be a folder of others too.
uninstall() {
    for unit in "$SOCKET" "$SERVICE"; do
        if manager && [ -e "$units/$unit" ]; then systemctl disable --now "$unit"; fi
    done
    rm -f "$units/$SERVICE" "$units/$SOCKET" "$program/systemd.md" "$program/restrict-addresses.conf"
    rm -rf "$program/venv" "$program"/venv-????????????????
    rmdir "$program" 2>/dev/null || true
    if manager; then systemctl daemon-reload; fi
    say "Removed. Left alone: $settings, $units/$SERVICE.d and $units/$SOCKET.d, if there are any."
}

# The refusals: they come before anything is written.

check_rights() { [ -n "$DESTDIR" ] || [ "$(id -u)" = 0 ] || fail "wants to be root (or DESTDIR=)"; }

# A service runs without a home: what lies in one cannot be read. Root's is wherever this system has it.
in_a_home() { case $1/ in /home/*|~root/*) ;; *) return 1 ;; esac; }

check_paths() {
    case $DESTDIR in ''|/*) ;; *) fail "DESTDIR=$DESTDIR is not an absolute path" ;; esac
    case $PREFIX in
        [!/]*|/|*/|*[!A-Za-z0-9/._-]*) fail "PREFIX=$PREFIX is not an absolute path of plain letters, without a / at its end" ;;
        *) ! in_a_home "$PREFIX" || fail "$PREFIX is in a home, which the service cannot see: name another with PREFIX=" ;;
    esac
}

check_python() {
    base=$("$PYTHON" -I -c 'import ensurepip, sys, venv; sys.version_info >= (3, 12) or sys.exit(1); print(sys.base_prefix)') \
        || fail "PYTHON=$PYTHON is not a Python 3.12 or newer that can make environments (Debian: apt install python3-venv)"
    if [ -z "$DESTDIR" ] && in_a_home "$base"; then
        fail "$base is in a home, which the service cannot see: name another with PYTHON="
    fi
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

# pip ENVIRONMENT ARGUMENTS...
pip() {
    environment=$1
    shift
    "$environment/bin/python" -I -m pip --disable-pip-version-check --no-input --quiet "$@"
}

# The wheel of the checkout, built by the setuptools of the lock in an environment of its own.
build_wheel() {
    "$PYTHON" -I -m venv "$scratch/build"
    awk '/^[a-z]/ { wanted = /^setuptools==/ } wanted' "$checkout/requirements-dev.txt" >"$scratch/setuptools.txt"
    pip "$scratch/build" install --require-hashes -r "$scratch/setuptools.txt"
    mkdir "$scratch/source"
    # A build leaves files behind, and it is root who builds: in a copy.
    (cd "$checkout" && tar -cf "$scratch/source.tar" --exclude='./.venv*' --exclude='./.*_cache' --exclude=./build .)
    tar --no-same-owner -xf "$scratch/source.tar" -C "$scratch/source"
    pip "$scratch/build" wheel --no-deps --no-build-isolation --wheel-dir "$scratch" "$scratch/source"
    set -- "$scratch"/*.whl
    wheel=$1
}

works() { "$program/venv/bin/python" -I -m gateway --version >/dev/null 2>&1; }

# A new environment is made beside the old one, whole, and takes its place by the change of one link.
install_program() {
    sum=$(checksum)
    if [ "$(readlink "$program/venv" || true)" = "venv-$sum" ] && works; then return; fi
    [ -n "$wheel" ] || build_wheel
    new=$program/venv-$sum
    rm -rf "$new"
    mkdir -p "$program"
    half=$new
    "$PYTHON" -I -m venv "$new"
    pip "$new" install --require-hashes -r "$checkout/requirements.txt"
    pip "$new" install --no-deps --no-index "$wheel"
    # The first line of a command names the folder it was made in.
    [ -z "$DESTDIR" ] || sed -i "s|$program/|$PREFIX/|" "$new/bin/ollama-openai-proxy"
    ln -sfn "venv-$sum" "$program/venv"
    half=
    say "installed $("$program/venv/bin/python" -I -m gateway --version) into $new"
    changed=yes
}

install_files() {
    for unit in "$SERVICE" "$SOCKET"; do
        sed "s|/opt/ollama-openai-proxy|$PREFIX|g" "$here/$unit" >"$scratch/$unit"
        place 644 "$scratch/$unit" "$units/$unit"
    done
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
    for old in "$program"/venv-????????????????; do
        [ "$(basename "$old")" = "$(readlink "$program/venv")" ] || rm -rf "$old"
    done
}

[ $# -le 1 ] || fail "takes one argument, not $#"
case ${1:-} in
    --uninstall) check_paths; check_rights; uninstall; exit ;;
    -*) fail "unknown option $1 (there is --uninstall)" ;;
    '') wheel= ;;
    *.whl) [ -f "$1" ] || fail "there is no $1"; wheel=$(CDPATH="" cd -- "$(dirname -- "$1")" && pwd)/$(basename -- "$1") ;;
    *) fail "$1 is not a wheel (NAME.whl)" ;;
esac
umask 022
check_paths
check_python
check_rights
scratch=$(mktemp -d)
half=
trap 'rm -rf "$scratch" ${half:+"$half"}' EXIT
trap 'exit 1' HUP INT TERM
install_program
install_files
start
remove_old_environments
[ $changed = yes ] || say "Everything is as it should be."
