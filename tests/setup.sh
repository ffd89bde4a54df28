#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs what is missing, by apt-get (Debian 12 and later, Ubuntu 22.04 and later). What is there stays as it is,
# and if nothing is missing, nothing is asked of anybody.
#   tests/setup.sh build   to build the library and the program
#   tests/setup.sh test    to run every test and check, too
set -eu

build="gcc libc6-dev cmake ninja-build pkg-config libcurl4-openssl-dev libcjson-dev libmicrohttpd-dev ca-certificates"
demo="curl procps"
checks="g++ binutils libuv1-dev libcmocka-dev openssl clang libclang-rt-14-dev clang-tidy clang-format cppcheck"

case ${1:-} in
build) wanted="$build $demo" ;;
test) wanted="$build $demo $checks" ;;
*)
    echo "usage: tests/setup.sh build|test" >&2
    exit 2
    ;;
esac

# Elsewhere we can only look whether the tools are there.
if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    missing=
    for tool in cc cmake ninja pkg-config curl; do
        command -v "$tool" >/dev/null || missing="$missing $tool"
    done
    for module in libcjson libcurl libmicrohttpd; do
        pkg-config --exists "$module" 2>/dev/null || missing="$missing $module"
    done
    if [ -z "$missing" ]; then
        exit 0
    fi
    echo "No apt-get here. Please install:$missing (Debian's names: $wanted)" >&2
    exit 1
fi

is_installed() { # package: under its name, or given by another one
    dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}
missing_packages() {
    for package in $wanted; do
        case $package in
        libclang-rt-*)
            # Its name carries clang's version.
            if command -v clang >/dev/null; then
                version=$(clang -dumpversion | sed 's/\..*//')
                package=libclang-rt-$version-dev
                if [ "$version" -lt 14 ]; then
                    continue # part of clang itself
                fi
            fi
            ;;
        libcurl4-openssl-dev) # another flavour of it would have to go
            if pkg-config --exists "libcurl >= 7.88" 2>/dev/null; then
                continue
            fi
            ;;
        pkg-config)
            if is_installed pkgconf; then
                continue
            fi
            ;;
        esac
        is_installed "$package" || printf ' %s' "$package"
    done
}

missing=$(missing_packages)
if [ -z "$missing" ]; then
    exit 0
fi
as_root=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "Please install as root, as there is no sudo: apt-get install$missing" >&2
        exit 1
    fi
    as_root="sudo env"
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT

apt() {
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive $as_root ${as_root:+DEBIAN_FRONTEND=noninteractive} \
        apt-get -y -q -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@" </dev/null >>"$log" 2>&1
}

echo "installing:$missing" >&2
# The lists may be missing or old: one more try with new ones.
# shellcheck disable=SC2086
if ! apt install --no-install-recommends $missing; then
    apt update || true # the next line says whether it was enough
    # On another release clang may be another version: which one is known once it is there.
    case $missing in
    *libclang-rt-14-dev*) apt install --no-install-recommends clang || true ;;
    esac
    missing=$(missing_packages)
    if [ -n "$missing" ] && ! apt install --no-install-recommends $missing; then
        tail -n 30 "$log" >&2
        echo "apt-get could not install:$missing" >&2
        exit 1
    fi
fi
