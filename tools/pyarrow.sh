#!/usr/bin/env bash
# Prints the path of a Python that has pyarrow, for tests that read .skua files with it: the installed one, or one of its own under the
# user's cache folder (pyarrow from PyPI, about 50 MB, once). Exit code 69 when there is neither pyarrow nor python3-venv.
set -euo pipefail

wheel='pyarrow==26.0.1'
folder=${XDG_CACHE_HOME:-$HOME/.cache}/skua/python-${wheel/==/-}

if python3 -c 'import pyarrow' 2>/dev/null; then
	command -v python3
	exit 0
fi
if [[ ! -x $folder/bin/python ]]; then
	if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
		echo "Neither pyarrow nor python3-venv is installed." >&2
		exit 69
	fi
	rm -rf "$folder.partial"
	python3 -m venv "$folder.partial" >&2
	"$folder.partial/bin/pip" install --quiet --disable-pip-version-check --only-binary=:all: "$wheel" >&2
	# The interpreter finds its packages from where it lies; only its scripts, which are not used, name the old path.
	mv "$folder.partial" "$folder"
fi
echo "$folder/bin/python"
