#!/usr/bin/env bash
# Check the Terraform root and every module: format, validity, checkov (whose skips stand in .checkov.yaml).
#
#   tools/check_terraform.sh CHECKOV_VENV
set -euo pipefail
cd "$(dirname "$0")/.."
checkov=$PWD/$1/bin/checkov

terraform fmt -check -diff -recursive terraform

# `init` writes beside the sources: work on a copy.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp -R terraform "$scratch/"
for directory in "$scratch"/terraform "$scratch"/terraform/modules/*/; do
  echo "terraform validate ${directory#"$scratch"/}"
  terraform -chdir="$directory" init -backend=false -input=false -no-color >"$scratch/output" 2>&1 &&
    terraform -chdir="$directory" validate -no-color >"$scratch/output" 2>&1 ||
    { cat "$scratch/output" >&2 && exit 1; }
done

"$checkov" --directory terraform --config-file .checkov.yaml --framework terraform --compact --quiet --skip-download
