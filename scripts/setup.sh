#!/usr/bin/env bash
# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: setup.sh [run|test]
# Installs what the checkout needs: Debian packages where it may, pinned Python packages into .venv. A second run is instant.
# 'run' (the default) is what the playbooks need, 'test' adds what 'make lint', 'make test' and 'make bench' need.

source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

level=${1:-run}
packages=(acl fonts-dejavu-core fonts-liberation libharfbuzz-subset0 libpango-1.0-0 libpangoft2-1.0-0 restic)
case $level in
    run) requirements=requirements.txt ;;
    test)
        requirements=requirements-dev.txt
        # to boot hosts, which only root can
        ((EUID != 0)) || packages+=(iproute2 mmdebstrap nftables openssh-client systemd-container)
        ;;
    *) die "unknown level '$level'; allowed: run, test" ;;
esac

# The interpreter of the system, not the one of a .venv made earlier.
python=$(PATH=${PATH//"$VENV/bin:"/} command -v python3) || die "python3 is not installed; type: apt-get install python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "$("$python" --version) ($python) is too old: ansible-core 2.19 needs Python 3.11 or newer, as Debian 12 and 13 have"

stamp=$VENV/.stamp-$level
state=$("$python" --version && cat requirements*.txt "${BASH_SOURCE[0]}")
[[ -f $stamp && $(<"$stamp") == "$state" ]] && exit 0

command -v dpkg-query >/dev/null || die "this is not a Debian system; supported are Debian 12 and 13"
"$python" -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
missing=()
for package in "${packages[@]}"; do
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done
if ((${#missing[@]})); then
    ((EUID == 0)) || die "Debian packages are missing; type as root: apt-get update && apt-get install --no-install-recommends ${missing[*]}"
    echo "Installing Debian packages: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q -o DPkg::Lock::Timeout=300 update
    apt-get -q -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "${missing[@]}"
fi
"$python" -c 'import ensurepip, venv' || die "$python cannot make virtual environments; put Debian's /usr/bin first in PATH"

echo "Installing Python packages into ${VENV#"$ROOT/"}: $requirements"
[[ -x $VENV/bin/pip && $("$VENV/bin/python" --version) == "$("$python" --version)" ]] || "$python" -m venv --clear "$VENV"
"$VENV/bin/pip" install -qq --disable-pip-version-check --requirement "$requirements"
printf '%s\n' "$state" >"$stamp"
