#!/usr/bin/env bash
# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: stage.sh DIR
# Copies the collection's files to DIR/ansible_collections/sicekat/backup, where 'ansible-galaxy collection build' and ansible-test
# can see it (both take links for nothing), and prints that path. Files that git does not ignore count, committed or not.

source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

(($# == 1)) || die "usage: stage.sh DIR"
target=$1/ansible_collections/sicekat/backup
rm -rf "$target"
mkdir -p "$target"
git ls-files -z --cached --others --exclude-standard -- . ':!collections' ':!inventories' ':!molecule' |
    while IFS= read -r -d '' file; do
        # a file that was deleted but not yet committed is still listed
        [[ ! -e $file ]] || printf '%s\0' "$file"
    done |
    tar --create --null --files-from=- | tar --extract --directory="$target"
[[ -f $target/galaxy.yml ]] || die "no galaxy.yml arrived in $target"
echo "$target"
