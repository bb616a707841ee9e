#!/usr/bin/env bash
# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: sanity.sh
# Runs 'ansible-test sanity' on a staged copy of the collection, once for each supported ansible-core that this machine has a Python
# for, and says which combinations ran. Modules are also checked with the servers' older Pythons that are found. ansible-test gets
# a home of its own in .cache/sanity. No combination, or one that looks at no file, is a failure.

source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

# ansible-core, the pip that its ansible-test asks for, and the Pythons that can run it, best first: the pinned release and the newest.
combinations=("2.19.14 24.2 3.11 3.12 3.13" "2.21.5 25.2 3.13 3.12 3.14")
base=$CACHE/sanity
home=$base/home
pythons=$base/bin

# Links every working python3.N of this machine into one directory: those in PATH, then those that pyenv keeps.
find_pythons() {
    local version candidate
    rm -rf "$pythons"
    mkdir -p "$pythons"
    for version in 3.{8..14}; do
        for candidate in $(type -ap "python$version") "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/"python$version"; do
            # A link to a shim or into a virtual environment would lead astray: ask the interpreter for the real one.
            candidate=$("$candidate" -c 'import ensurepip, sys; print(sys._base_executable)' 2>/dev/null) || continue
            ln -s "$candidate" "$pythons/python$version"
            break
        done
    done
}

# Prepares the home of ansible-test: this machine's pip configuration, because ansible-test hands on neither PIP_* variables nor the
# user's own; and what stands in for a script that it would download to put pip into its virtual environments.
make_home() {
    local combination pip cache=$home/.ansible/test/cache
    mkdir -p "$cache" "$home/.config/pip"
    {
        printf "[global]\nquiet = 2\n"
        # ":env:.key='value'" and the like; the first of a key, the environment's, is the one in force
        "$VENV/bin/pip" config list 2>/dev/null | sed -n "s/^[^=]*\.\([a-z-]*\)='\(.*\)'\$/\1 = \2/p" | awk '!seen[$1]++'
    } >"$home/.config/pip/pip.conf"
    for combination in "${combinations[@]}"; do
        read -r _ pip _ <<<"$combination"
        cat >"$cache/get_pip_${pip//./_}.py" <<'PYTHON'
import os, subprocess, sys

os.environ.pop("GET_PIP", None)
wanted = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
subprocess.check_call([sys.executable, "-m", "ensurepip"], stdout=subprocess.DEVNULL)
subprocess.check_call([sys.executable, "-m", "pip", "install", "-qq"] + wanted)
PYTHON
    done
}

# Runs ansible-test of the virtual environment $1 in the staged copy; the other arguments are handed on.
ansible_test() {
    (cd "$stage" && HOME=$home PATH=$1/bin:$pythons:/usr/sbin:/usr/bin:/sbin:/bin "$1/bin/ansible-test" sanity "${@:2}")
}

# Whether the sanity tests of core $1 pass when Python $2 runs them. Steps are chained, for 'set -e' sleeps where a result is asked for.
check() {
    local core=$1 version=$2 venv=$base/core-$1-python-$2 broken=$stage/plugins/module_utils/broken.py
    if [[ ! -f $venv/.done ]]; then
        "$pythons/python$version" -m venv --clear "$venv" &&
            "$venv/bin/pip" install -qq --disable-pip-version-check "ansible-core==$core" &&
            touch "$venv/.done" || return 1
    fi
    # An ansible-test that sees no file is content: a broken one must make it red first.
    echo 'def broken(:' >"$broken" || return 1
    if ansible_test "$venv" --test compile --python "$version" >/dev/null 2>&1; then
        echo "ansible-test of ansible-core $core does not look at the files in $stage" >&2
        return 1
    fi
    rm "$broken" && ansible_test "$venv"
}

find_pythons
make_home
# Not in .cache: ansible-test asks the git around it, which ignores everything in there.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
stage=$(scripts/stage.sh "$scratch")
ran=() impossible=() failed=()
for combination in "${combinations[@]}"; do
    read -r core _ candidates <<<"$combination"
    found=""
    for version in $candidates; do
        [[ -e $pythons/python$version ]] && found=$version && break
    done
    if [[ ! $found ]]; then
        impossible+=("$core (none of Python $candidates)")
        continue
    fi
    printf '\n== ansible-core %s, run by Python %s\n' "$core" "$found"
    if check "$core" "$found"; then ran+=("$core by Python $found"); else failed+=("$core by Python $found"); fi
done

list() { local IFS=";"; echo "${*:-none}"; }
printf '\nansible-test sanity, ansible-core: passed: %s\n' "$(list "${ran[@]}")"
printf 'failed: %s\nnot possible here: %s\nPythons found: %s\n' "$(list "${failed[@]}")" "$(list "${impossible[@]}")" "$(cd "$pythons" && echo *)"
((${#failed[@]} == 0)) || exit 1
((${#ran[@]} > 0)) || die "no combination of ansible-core and Python could be run"
