#!/bin/sh
# A gateway with several backends, models of its own and a key for each client. PYTHON names the Python that it is installed
# for: PYTHON=.venv/bin/python in a checkout where `make run` has run. Arguments go on to the gateway.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}

export BACKENDS_FILE="$here/backends.yaml"
export MODEL_MAPPING_FILE="$here/mapping.json"
export KEYS_FILE="${KEYS_FILE:-$here/keys.json}"

# The secret is shown once, here; clients send it as `Authorization: Bearer SECRET`.
if [ ! -e "$KEYS_FILE" ]; then
    "$python" -m gateway key create ci --expires 90d --models 'llama3,reviewer' --rpm 60 --tpm 100000
fi
exec "$python" -m gateway "$@"
